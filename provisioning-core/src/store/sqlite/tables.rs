//! The statements: one function for each thing that is read or written.
//!
//! What is written is decided in [`chain`](crate::store::chain) and [`slot`](crate::store::slot); the tables are made by
//! `schema.sql`.

use std::collections::BTreeMap;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::failure::explain;
use super::file::WITH_PACKED;
use super::packed::Body;
use super::parse::{self, Threads};
use crate::digest::{Digest, DigestKey};
use crate::error::{Error, Result};
use crate::journal::RunSummary;
use crate::name::{ResourceName, RunId, StepId, WorkspaceId};
use crate::plan::{Plan, Results};
use crate::resource::StateRow;
use crate::store::chain::{Batch, Head, Link, RunRow};
use crate::store::slot::Slot;
use crate::store::text::{self, RowText, corrupt};
use crate::store::verify::Source;
use crate::store::{Identity, Late, Range};

/// The tables behind a connection, inside whatever transaction it is in.
pub(super) struct Tables<'c>(pub(super) &'c Connection);

impl Tables<'_> {
    /// Writes what the store was made with.
    pub(super) fn put_identity(&self, identity: &Identity) -> Result<()> {
        let values = params![identity.workspace.as_str(), identity.digest_key.as_bytes()];
        self.write("INSERT INTO meta (workspace, digest_key) VALUES (?1, ?2)", values)
    }

    /// What the store was made with.
    pub(super) fn identity(&self) -> Result<Identity> {
        let found = self.one("SELECT workspace, digest_key FROM meta", params![], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, [u8; 32]>(1)?))
        })?;
        let (workspace, key) = found.ok_or_else(|| corrupt("the store does not say whose it is".to_owned()))?;
        let workspace = WorkspaceId::parse(&workspace).map_err(|error| corrupt(error.to_string()))?;
        Ok(Identity { workspace, digest_key: DigestKey::new(key) })
    }

    /// A number that is another one after somebody else has written.
    pub(super) fn moment(&self) -> Result<i64> {
        let found = self.one("PRAGMA data_version", params![], |row| row.get(0))?;
        found.ok_or_else(|| Error::bug("the store does not say whether it was written to"))
    }

    /// The end of the journal.
    pub(super) fn head(&self, workspace: &WorkspaceId) -> Result<Head> {
        let found = self.one("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1", params![], |row| {
            Ok(Head { seq: count(row, 0)?, hash: Digest::from(bytes(row, 1)?.as_str()) })
        })?;
        Ok(found.unwrap_or_else(|| Head::empty(workspace)))
    }

    /// Writes what an append made.
    pub(super) fn put(&self, batch: &Batch) -> Result<()> {
        for (id, run) in &batch.runs {
            self.put_run(id, run)?;
        }
        let sql = "INSERT INTO records (seq, run, body, hash) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = self.0.prepare_cached(sql).map_err(explain)?;
        for Link { seq, run, body, hash } in &batch.links {
            insert.execute(params![int(*seq), run, Text(body), hash.as_str()]).map_err(explain)?;
        }
        let sql = "INSERT INTO state (name, version, body) VALUES (?1, ?2, ?3)
            ON CONFLICT (name) DO UPDATE SET version = excluded.version, body = excluded.body";
        let mut upsert = self.0.prepare_cached(sql).map_err(explain)?;
        for (name, row) in &batch.rows {
            match row {
                Some(row) => {
                    upsert.execute(params![name.as_str(), int(row.version), Text(&row.body)]).map_err(explain)?;
                }
                None => self.write("DELETE FROM state WHERE name = ?1", params![name.as_str()])?,
            }
        }
        Ok(())
    }

    /// Whether the store has the tables that came up after the first ones.
    pub(super) fn has_added(&self) -> Result<bool> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('late', 'results', 'packed')";
        Ok(self.one(sql, params![], |row| row.get::<_, i64>(0))? == Some(3))
    }

    /// Keeps what was learned too late, unless it is there.
    pub(super) fn put_late(&self, late: &Late) -> Result<()> {
        let values = params![late.run.as_str(), late.step.as_str(), late.object];
        self.write("INSERT INTO late (run, step, object) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", values)
    }

    /// Drops what was learned too late.
    pub(super) fn remove_late(&self, late: &Late) -> Result<()> {
        let values = params![late.run.as_str(), late.step.as_str(), late.object];
        self.write("DELETE FROM late WHERE run = ?1 AND step = ?2 AND object = ?3", values)
    }

    /// What was learned too late.
    pub(super) fn late(&self) -> Result<Vec<LateText>> {
        let read = |row: &Row<'_>| Ok(LateText { run: bytes(row, 0)?, step: bytes(row, 1)?, object: bytes(row, 2)? });
        self.all("SELECT run, step, object FROM late ORDER BY run, step, object", params![], read)
    }

    /// A run, where it has begun.
    pub(super) fn run(&self, id: &RunId) -> Result<Option<RunRow>> {
        let found = self.one("SELECT first, last, body FROM runs WHERE id = ?1", params![id.as_str()], |row| {
            Ok((count(row, 0)?, count(row, 1)?, blob(row, 2)?))
        })?;
        found.map(|(first, last, body)| Ok(RunRow { first, last, summary: summary(&body)? })).transpose()
    }

    /// Keeps a plan and what it gives back, unless it is there.
    pub(super) fn put_plan(&self, hash: &Digest, body: &Body, results: &[u8]) -> Result<()> {
        match body {
            Body::Plain(body) => {
                let sql = "INSERT INTO plans (hash, body) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING";
                self.write(sql, params![hash.as_str(), Text(body)])?;
            }
            Body::Packed(body) => {
                let sql = "INSERT INTO packed (plan, body)
                    SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM plans WHERE hash = ?1) ON CONFLICT (plan) DO NOTHING";
                self.write(sql, params![hash.as_str(), body])?;
                self.0.pragma_update(None, "user_version", WITH_PACKED).map_err(explain)?;
            }
        }
        let values = params![hash.as_str(), Text(results)];
        self.write("INSERT INTO results (plan, body) VALUES (?1, ?2) ON CONFLICT (plan) DO NOTHING", values)
    }

    /// A plan as it is kept, where it is.
    pub(super) fn plan_body(&self, hash: &Digest) -> Result<Option<Body>> {
        let plain = self.one("SELECT body FROM plans WHERE hash = ?1", params![hash.as_str()], |row| blob(row, 0))?;
        if let Some(body) = plain {
            return Ok(Some(Body::Plain(body)));
        }
        let packed = self.one("SELECT body FROM packed WHERE plan = ?1", params![hash.as_str()], |row| blob(row, 0))?;
        Ok(packed.map(Body::Packed))
    }

    /// The lease as it is kept.
    pub(super) fn slot(&self) -> Result<Slot> {
        let found = self.one("SELECT epoch, body FROM lease WHERE id = 1", params![], |row| {
            Ok((count(row, 0)?, row.get_ref(1)?.as_bytes_or_null()?.map(<[u8]>::to_vec)))
        })?;
        let (epoch, body) = found.ok_or_else(|| corrupt("the store has no place for the lease".to_owned()))?;
        let present = body.map(|body| text::read(&body, || "the lease".to_owned())).transpose()?;
        Ok(Slot { epoch, present })
    }

    /// Writes the lease.
    pub(super) fn put_slot(&self, slot: &Slot) -> Result<()> {
        let lease = slot.present.as_ref();
        let body = lease.map(|lease| text::write(lease, text::MAX_RECORD_BYTES, || "the lease".to_owned())).transpose()?;
        let values = params![int(slot.epoch), body.as_deref().map(Text)];
        self.write("UPDATE lease SET epoch = ?1, body = ?2 WHERE id = 1", values)
    }

    /// The rows, parsed on so many threads.
    pub(super) fn parsed_rows(&self, threads: Threads) -> Result<BTreeMap<ResourceName, StateRow>> {
        let mut statement = self.0.prepare_cached("SELECT name, version, body FROM state ORDER BY name").map_err(explain)?;
        let texts =
            statement.query_map(params![], |row| Ok((bytes(row, 0)?, RowText { version: count(row, 1)?, body: blob(row, 2)? })));
        let texts = texts.map_err(explain)?.map(|text| text.map_err(explain));
        Ok(parse::all(texts, |(name, row): (String, RowText)| row.parse(&name), threads)?.into_iter().collect())
    }

    fn put_run(&self, id: &RunId, run: &RunRow) -> Result<()> {
        let body = text::write(&run.summary, text::MAX_RECORD_BYTES, || format!("the summary of run `{id}`"))?;
        let values = params![id.as_str(), int(run.first), int(run.last), Text(&body)];
        let sql = "INSERT INTO runs (id, first, last, body) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (id) DO UPDATE SET last = excluded.last, body = excluded.body";
        self.write(sql, values)
    }

    fn write(&self, sql: &str, values: &[&dyn ToSql]) -> Result<()> {
        let mut statement = self.0.prepare_cached(sql).map_err(explain)?;
        statement.execute(values).map_err(explain)?;
        Ok(())
    }

    fn one<T>(&self, sql: &str, values: &[&dyn ToSql], read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>) -> Result<Option<T>> {
        let mut statement = self.0.prepare_cached(sql).map_err(explain)?;
        statement.query_row(values, read).optional().map_err(explain)
    }

    fn all<T>(&self, sql: &str, values: &[&dyn ToSql], read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let mut statement = self.0.prepare_cached(sql).map_err(explain)?;
        let rows = statement.query_map(values, read).map_err(explain)?;
        rows.collect::<rusqlite::Result<_>>().map_err(explain)
    }
}

impl Source for Tables<'_> {
    fn links(&self, range: &Range) -> Result<Vec<Link>> {
        let limit = if range.limit == 0 { -1 } else { i64::try_from(range.limit).unwrap_or(i64::MAX) };
        let after = i64::try_from(range.after).unwrap_or(i64::MAX);
        let link = |row: &Row<'_>| {
            let hash = Digest::from(bytes(row, 3)?.as_str());
            Ok(Link { seq: count(row, 0)?, run: bytes(row, 1)?, body: blob(row, 2)?, hash })
        };
        match &range.run {
            None => {
                let sql = "SELECT seq, run, body, hash FROM records WHERE seq > ?1 ORDER BY seq LIMIT ?2";
                self.all(sql, params![after, limit], link)
            }
            Some(run) => {
                let sql = "SELECT seq, run, body, hash FROM records WHERE seq > ?1 AND run = ?3
                    AND seq >= (SELECT first FROM runs WHERE id = ?3) AND seq <= (SELECT last FROM runs WHERE id = ?3)
                    ORDER BY seq LIMIT ?2";
                self.all(sql, params![after, limit, run.as_str()], link)
            }
        }
    }

    fn plan(&self, hash: &Digest) -> Result<Plan> {
        plan(hash, self.plan_body(hash)?)
    }

    /// A store that kept the plan before there was a place for this reads it.
    fn results(&self, hash: &Digest) -> Result<Results> {
        match self.one("SELECT body FROM results WHERE plan = ?1", params![hash.as_str()], |row| blob(row, 0))? {
            Some(body) => text::read(&body, || format!("what the plan `{}` gives back", hash.short())),
            None => self.plan(hash).map(|plan| plan.results()),
        }
    }

    fn rows(&self) -> Result<BTreeMap<ResourceName, StateRow>> {
        self.parsed_rows(Threads::Many)
    }

    fn runs(&self) -> Result<Vec<RunRow>> {
        let runs = self.all("SELECT id, first, last, body FROM runs ORDER BY first", params![], |row| {
            Ok((bytes(row, 0)?, count(row, 1)?, count(row, 2)?, blob(row, 3)?))
        })?;
        let parse = |(id, first, last, body): &(String, u64, u64, Vec<u8>)| {
            let summary = summary(body)?;
            if summary.id.as_str() != id {
                return Err(corrupt(format!("the summary of run `{id}` is filed under another name than `{}`", summary.id)));
            }
            Ok(RunRow { first: *first, last: *last, summary })
        };
        runs.iter().map(parse).collect()
    }
}

/// The plan that is kept under a hash; `NotFound` where nothing is.
pub(super) fn plan(hash: &Digest, body: Option<Body>) -> Result<Plan> {
    let text = body.map(|body| body.text(hash)).transpose()?;
    text::read_plan(hash, text.as_deref())
}

/// A late result as it is kept.
pub(super) struct LateText {
    run: String,
    step: String,
    object: String,
}

impl LateText {
    pub(super) fn parse(self) -> Result<Late> {
        let damaged = |error: Error| corrupt(format!("a late result cannot be read: {error}"));
        let (run, step) = (RunId::parse(&self.run).map_err(damaged)?, StepId::parse(&self.step).map_err(damaged)?);
        Ok(Late { run, step, object: self.object })
    }
}

fn summary(body: &[u8]) -> Result<RunSummary> {
    text::read(body, || "the summary of a run".to_owned())
}

/// Bytes of JSON for a column of texts.
struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// A text as bytes: damage is reported by whoever parses it, with the name of what is damaged.
fn blob(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(row.get_ref(column)?.as_bytes()?.to_vec())
}

fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number = row.get::<_, i64>(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn int(count: u64) -> i64 {
    i64::try_from(count).expect("no journal has 2^63 entries")
}
