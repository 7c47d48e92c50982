//! The lookup of the fake cloud: every image exists, and its identity follows from its name.
//!
//! Things are in `kind`, faults in `fault`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::FakeCloud;
use crate::error::Result;
use crate::provider::Lookup;
use crate::schema::Schema;

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
        self.0.schemas.image.as_ref().clone()
    }

    async fn read(&self, query: ImageQuery) -> Result<Image> {
        self.0.call(format!("look up {}", query.name), move |_, _| Ok(Image { id: format!("img-{}", query.name) })).await
    }
}
