//! The lookup of the fake cloud: every image exists, and its identity follows from its name.
//!
//! Things and faults are in `cloud`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::provider::Lookup;
use crate::schema::Schema;
use crate::testing::FakeCloud;

pub(super) struct ImageLookup(pub(super) FakeCloud);

/// Which image.
#[derive(Debug, Deserialize)]
pub(super) struct ImageQuery {
    name: String,
}

/// The image.
#[derive(Debug, Serialize)]
pub(super) struct Image {
    id: String,
}

#[async_trait]
impl Lookup for ImageLookup {
    type Query = ImageQuery;
    type Answer = Image;

    fn schema(&self) -> Schema {
        self.0.image_schema().as_ref().clone()
    }

    async fn read(&self, query: ImageQuery) -> Result<Image> {
        self.0.call(format!("look up {}", query.name), || Ok(Image { id: format!("img-{}", query.name) })).await
    }
}
