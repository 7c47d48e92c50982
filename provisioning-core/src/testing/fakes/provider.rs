//! Fake providers: the schemas of the real ones, and nothing else of them.

use std::sync::Arc;

use async_trait::async_trait;

use super::kind::Fake;
use super::{Fakes, shown};
use crate::error::Result;
use crate::provider::{AnyKind, AnyLookup, Provider};
use crate::registry::ProviderFactory;
use crate::schema::Schema;
use crate::value::Value;

/// Builds fakes of the providers that another factory would build.
pub(super) struct FakeFactory {
    pub(super) fakes: Fakes,
    pub(super) like: Arc<dyn ProviderFactory>,
}

impl ProviderFactory for FakeFactory {
    fn settings(&self) -> Arc<Schema> {
        self.like.settings()
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        self.like.kinds()
    }

    fn lookups(&self) -> Vec<Arc<Schema>> {
        self.like.lookups()
    }

    fn build(&self, settings: &Value) -> Result<Arc<dyn Provider>> {
        let name = format!("{} {}", self.settings().kind, shown(settings));
        Ok(Arc::new(FakeProvider { fakes: self.fakes.clone(), name, kinds: self.kinds(), lookups: self.lookups() }))
    }
}

struct FakeProvider {
    fakes: Fakes,
    /// Its type and its settings: two providers with the same are one account.
    name: String,
    kinds: Vec<Arc<Schema>>,
    lookups: Vec<Arc<Schema>>,
}

impl FakeProvider {
    fn fake(&self, schema: &Arc<Schema>) -> Fake {
        Fake { fakes: self.fakes.clone(), provider: self.name.clone(), schema: schema.clone() }
    }
}

#[async_trait]
impl Provider for FakeProvider {
    async fn check(&self) -> Result<()> {
        Ok(())
    }

    fn kinds(&self) -> Vec<Arc<dyn AnyKind>> {
        self.kinds.iter().map(|schema| Arc::new(self.fake(schema)) as Arc<dyn AnyKind>).collect()
    }

    fn lookups(&self) -> Vec<Arc<dyn AnyLookup>> {
        self.lookups.iter().map(|schema| Arc::new(self.fake(schema)) as Arc<dyn AnyLookup>).collect()
    }
}
