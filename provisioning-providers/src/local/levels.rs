//! Which levels of isolation this machine permits: found by trying, once.

use std::sync::Arc;

use provisioning_core::error::{Error, ErrorKind, Result};
use tokio::sync::OnceCell;

use super::disk::blocking;
use super::keeper::Keeper;
use super::machine::Level;
use super::site::Site;

/// The levels, the most separated first.
const LEVELS: [Level; 3] = [Level::Namespaces, Level::UserNamespaces, Level::Confined];

/// What was found out about this machine.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    site: Site,
    keeper: Option<Keeper>,
    tried: Arc<[OnceCell<Option<Error>>; LEVELS.len()]>,
}

impl Levels {
    pub(super) fn new(site: Site, keeper: Option<Keeper>) -> Self {
        Self { site, keeper, tried: Arc::default() }
    }

    /// What starts keepers.
    pub(super) fn keeper(&self) -> Result<&Keeper> {
        self.keeper.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "this program cannot keep servers and processes").with_hint(
                "it has to call `local::enter_if_keeper()` first in `main`, and give what that returns to the provider",
            )
        })
    }

    /// Whether a level is possible.
    pub(super) async fn permits(&self, level: Level) -> Result<bool> {
        Ok(self.obstacle(level).await?.is_none())
    }

    /// The wanted level, or without one the first that is possible.
    ///
    /// # Errors
    /// `Unsupported` for a level that this machine does not permit.
    pub(super) async fn choose(&self, wanted: Option<Level>) -> Result<Level> {
        let Some(wanted) = wanted else {
            for level in LEVELS {
                if self.permits(level).await? {
                    return Ok(level);
                }
            }
            return Err(Error::new(ErrorKind::Unsupported, "this machine permits no server at all"));
        };
        match self.obstacle(wanted).await? {
            None => Ok(wanted),
            Some(why) => Err(Error::new(ErrorKind::Unsupported, format!("this machine permits no `{}`: {why}", wanted.as_str()))
                .with_hint("leave `isolation` out for the first level that is possible")),
        }
    }

    /// Why a level is not possible.
    async fn obstacle(&self, level: Level) -> Result<Option<&Error>> {
        let keeper = self.keeper()?;
        let place = LEVELS.iter().position(|one| *one == level).unwrap_or_default();
        let tried = self.tried[place].get_or_try_init(|| async {
            let (site, folder) = (self.site.clone(), self.site.trials());
            let made = folder.clone();
            // One trial at a time: what an earlier one left is cleared away by the next of the same level.
            let held = blocking(move || {
                let held = site.lock()?;
                site.make(&made)?;
                Ok(held)
            });
            let held = held.await?;
            let tried = keeper.try_level(&folder, level).await;
            tracing::debug!(level = level.as_str(), ?tried, "tried");
            // The trial's own failure matters more than an empty folder.
            let _ = std::fs::remove_dir(&folder);
            drop(held);
            match tried {
                Ok(()) => Ok(None),
                Err(error) if error.kind() == ErrorKind::Bug => Err(error),
                Err(error) => Ok(Some(error)),
            }
        });
        Ok(tried.await?.as_ref())
    }
}
