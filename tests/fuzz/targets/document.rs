//! TOML and JSON into checked declarations: whatever the text is, the answer is declarations or an error, and every
//! place in it lies in the text.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use provisioning_core::config::{self, Settings};
use provisioning_core::registry::Registry;
use provisioning_core::testing::FakeCloud;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| FakeCloud::default().registry());

fuzz_target!(|text: &str| {
    let settings = Settings::shipped();
    for name in ["main.toml", "main.json"] {
        let read = config::document(name, text);
        let declared = read.and_then(|document| config::desired(document, &REGISTRY, &settings));
        if let Err(error) = declared {
            let lines = text.lines().count().max(1) + 1;
            for origin in error.diagnostics().iter().filter_map(|problem| problem.origin.as_ref()) {
                assert!(origin.line as usize <= lines, "{origin} is behind the end of {text:?}");
            }
        }
    }
});
