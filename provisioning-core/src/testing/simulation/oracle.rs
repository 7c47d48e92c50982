//! What must hold after every act: the promises of the engine, held against the cloud, the state and the journal.

use std::collections::BTreeSet;

use crate::engine::Engine;
use crate::error::Result;
use crate::journal::Progress;
use crate::provider::Token;
use crate::resource::StateRow;
use crate::store::{Range, Store};
use crate::testing::FakeCloud;

/// The promises that do not hold.
pub(super) async fn broken(cloud: &FakeCloud, store: &dyn Store, engine: &Engine) -> Vec<String> {
    match look(cloud, store, engine).await {
        Ok(problems) => problems,
        Err(error) => vec![format!("the store cannot be read: {error}")],
    }
}

async fn look(cloud: &FakeCloud, store: &dyn Store, engine: &Engine) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    // Replaying the journal gives the state, and every record follows the one before.
    problems.extend(store.verify().await?.problem.map(|problem| format!("verify: {problem}")));
    let rows = engine.state().await?;
    let late: BTreeSet<_> = store.late().await?.into_iter().map(|late| late.object).collect();
    let open = open_tokens(store).await?;
    // Every object is in the state once, or is looked for.
    let known = |id: &str| rows.values().flat_map(StateRow::objects).filter(|object| object.id == id).count();
    for (id, token) in cloud.tokens() {
        match known(&id) {
            0 if !open.contains(&token) && !late.contains(&id) => problems.push(format!("`{id}` exists and nobody knows of it")),
            0 | 1 => {}
            more => problems.push(format!("`{id}` is in the state {more} times")),
        }
    }
    // One object bears a token.
    let mut seen = BTreeSet::new();
    problems.extend(
        cloud
            .tokens()
            .into_values()
            .filter(|token| !seen.insert(token.clone()))
            .map(|token| format!("two objects bear the token {token}")),
    );
    Ok(problems)
}

/// The tokens of the steps that were begun and have not ended.
async fn open_tokens(store: &dyn Store) -> Result<BTreeSet<String>> {
    let workspace = store.identity().workspace;
    let Some(run) = store.runs().await?.pop() else { return Ok(BTreeSet::new()) };
    let entries = store.entries(Range { run: Some(run.id.clone()), ..Range::default() }).await?;
    let progress = Progress::replay(entries.iter().map(|entry| &entry.record))?;
    let open = progress.steps.iter().filter_map(|(step, status)| Some((step, status.open()?.0)));
    Ok(open.map(|(step, attempt)| Token::new(&workspace, &run.id, step, attempt).to_string()).collect())
}
