//! The quickstart, as the README shows it, for every person: pages over HTTP, nothing to change, and gone without a trace.

mod machine;

use std::fs;

use machine::{Person, Traces, Workspace, get};

#[test]
fn the_quickstart_serves_at_every_level_and_leaves_nothing() {
    for person in Person::ALL {
        let quickstart = Workspace::example(person, "quickstart");
        let applied = quickstart.expect(&["apply", "--yes"], 0);
        assert!(applied.contains("Done: 8 created"), "{person:?}: {applied}");
        let traces = Traces::of(&quickstart);
        assert_eq!(traces.keepers().len(), 3, "{person:?}: servers outlive the command");

        let outputs = quickstart.outputs();
        let addresses: Vec<_> = outputs.values().map(|url| &url["http://".len()..url.rfind(':').expect("a port")]).collect();
        assert_eq!(outputs.len(), 3);
        for (name, url) in &outputs {
            let page = get(url);
            assert!(page.starts_with("HTTP/1.1 200 OK"), "{person:?}: {page}");
            assert!(page.contains(&format!("<h1>This is {name}</h1>")), "{person:?}: {page}");
            assert!(page.contains(&format!("<code>{}</code>", person.level())), "{person:?}: {page}");
            let named = addresses.iter().filter(|address| page.contains(&format!("is at {address}<"))).count();
            assert_eq!(named, 2, "{person:?}: it names the others: {page}");
        }

        let again = quickstart.expect(&["apply", "--yes"], 0);
        assert!(again.contains("No changes."), "{person:?}: {again}");

        quickstart.expect(&["destroy", "--yes"], 0);
        let left: Vec<_> = fs::read_dir(quickstart.path().join(".provisioning")).expect("listed").flatten().collect();
        assert!(
            left.iter().all(|entry| entry.file_name().to_string_lossy().starts_with("state.db") || entry.file_name() == "cache"),
            "{person:?}: {left:?}"
        );
        traces.expect_gone();
    }
}
