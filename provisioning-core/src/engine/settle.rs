//! Settling what a run left open: by looking, by what was learned too late, and by hand.

use super::runs::{Known, fact};
use super::{Control, Disclosure, Engine};
use crate::error::{Error, ErrorKind, Failure, Result};
use crate::event::{Event, Transient};
use crate::executor::{Mode, Target, Tools, World};
use crate::journal::{RunSummary, Status};
use crate::name::StepId;
use crate::plan::{Action, Step};
use crate::record::{Fact, StepFact};
use crate::store::{Draft, Late, Lease};

/// What somebody who looked says of a step that began and did not end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict<'a> {
    /// It made this object.
    Made(&'a str),
    /// It had no effect, and may be tried again.
    Nothing,
    /// Whatever it did is dealt with.
    GivenUp(&'a str),
}

impl Engine {
    /// Looks how the steps ended that the last run began and did not end, and takes in what was learned too late; begins
    /// nothing.
    pub(super) async fn settle_open_steps(&self) -> Result<()> {
        if !self.is_anything_open().await? {
            return Ok(());
        }
        self.refuse_another_holder(None).await?;
        let known = match self.unfinished().await? {
            Some(run) => self.known(&run, Mode::Settle).await?,
            None => Known::nothing(self.disclosure().await?),
        };
        let lease = self.acquire().await?;
        let settled = self.settle_all(known, &lease).await;
        self.give_up(&lease, settled).await?;
        self.refuse_open_steps(None).await
    }

    async fn is_anything_open(&self) -> Result<bool> {
        let open = match self.unfinished().await? {
            Some(run) => self.progress(&run.id).await?.open_steps().next().is_some(),
            None => false,
        };
        Ok(open || !self.store.late().await?.is_empty())
    }

    async fn settle_all(&self, known: Known, lease: &Lease) -> Result<()> {
        self.take_in_late(lease).await?;
        if let Some(run) = self.unfinished().await?
            && self.progress(&run.id).await?.open_steps().next().is_some()
        {
            self.observer.observe(&Event::Transient(Transient::Settling { run: run.id.clone() }));
            self.take_up_holding(Some(&run.id), (Mode::Settle, &Control::new()), known, lease).await?;
        }
        Ok(())
    }

    /// Takes into the journal what former holders of the lease left behind.
    pub(super) async fn take_in_late(&self, lease: &Lease) -> Result<()> {
        let late = self.store.late().await?;
        if late.is_empty() {
            return Ok(());
        }
        let runs = self.store.runs().await?;
        for result in &late {
            // What belongs to no run of this journal cannot be taken in, and is nobody's here.
            let Some(run) = runs.iter().find(|run| run.id == result.run) else { continue };
            // One by one: what is recorded of one says what the next one is.
            if let Some(draft) = self.evidence(run, result).await? {
                self.record(lease, vec![draft]).await?;
            }
        }
        self.store.drop_late(lease, late).await
    }

    /// The record of an object that came to light: the step's own where it is open and has none, one to delete otherwise.
    async fn evidence(&self, run: &RunSummary, late: &Late) -> Result<Option<Draft>> {
        let status = self.progress(&run.id).await?.status(&late.step);
        let object = late.object.clone();
        let resource = late.step.resource();
        if self.store.rows().await?.get(resource).is_some_and(|row| row.objects().any(|known| known.id == object)) {
            return Ok(None);
        }
        let found = match status.open() {
            _ if status == Status::Pending => return Ok(None),
            Some((_, None)) => StepFact::Identified { object },
            Some((_, Some(known))) if known == object => return Ok(None),
            _ => StepFact::Surfaced { object },
        };
        self.draft(run, &late.step, found).await.map(Some)
    }

    /// Records what somebody found out about an open step.
    pub(super) async fn settle_by_hand(&self, step: &StepId, verdict: Verdict<'_>) -> Result<()> {
        let disclosure = match (verdict, self.unfinished().await?) {
            (Verdict::Made(_), Some(run)) => Some(self.known(&run, Mode::Settle).await?.disclosure),
            _ => None,
        };
        let lease = self.acquire().await?;
        let result = self.settle_holding(step, verdict, disclosure, &lease).await;
        self.give_up(&lease, result).await
    }

    async fn settle_holding(
        &self,
        step: &StepId,
        verdict: Verdict<'_>,
        disclosure: Option<Disclosure>,
        lease: &Lease,
    ) -> Result<()> {
        let not_open = || {
            Error::new(ErrorKind::NotFound, format!("the last run has no step `{step}` that began and did not end"))
                .with_hint("`provisioning status` lists them")
        };
        let run = self.unfinished().await?.ok_or_else(not_open)?;
        let progress = self.progress(&run.id).await?;
        if !progress.open_steps().any(|open| open == step) {
            return Err(not_open());
        }
        let failed = |message: String, partial| {
            let failure = Failure { kind: ErrorKind::InDoubt, message, hint: None };
            StepFact::Failed { failure, retry_after: None, partial }
        };
        let settled = match (verdict, disclosure) {
            (Verdict::Made(_), None) => return Err(not_open()),
            (Verdict::Made(object), Some(disclosure)) => {
                if let Some((_, Some(known))) = progress.status(step).open() {
                    let message = format!("`{step}` is known to have made `{known}`");
                    return Err(Error::new(ErrorKind::Conflict, message).with_hint("`provisioning resume` goes on with it"));
                }
                self.check_adoption(&run, step, object, disclosure).await?;
                StepFact::Identified { object: object.to_owned() }
            }
            (Verdict::Nothing, _) => failed("it had no effect, as somebody found who looked".to_owned(), false),
            (Verdict::GivenUp(reason), _) => failed(format!("given up by hand: {reason}"), true),
        };
        let draft = self.draft(&run, step, settled).await?;
        self.record(lease, vec![draft]).await
    }

    /// An object is adopted only by a create, when it is there and nobody has it.
    async fn check_adoption(&self, run: &RunSummary, id: &StepId, object: &str, disclosure: Disclosure) -> Result<()> {
        let plan = self.store.plan(&run.plan).await?;
        let step = plan.steps.iter().find(|step| step.id == *id).filter(|step| step.action == Action::Create);
        let Some(step) = step else {
            return Err(Error::invalid(format!("`{id}` makes no object")).with_hint("`retry` or `abandon` settle it"));
        };
        let rows = self.store.rows().await?;
        if let Some(owner) = rows
            .values()
            .find(|row| (&row.kind, &row.role) == (&step.kind, &step.role) && row.objects().any(|known| known.id == object))
        {
            return Err(Error::new(ErrorKind::Conflict, format!("`{object}` belongs to `{}` already", owner.name)));
        }
        let mut tools = Tools::new(self.registry.clone(), &plan.providers, &disclosure.sealer);
        let world = World::of(&rows, disclosure.sealer.clone(), disclosure.values());
        let Target::Kind(kind) = tools.target(&world, &step.role, &step.kind)? else {
            return Err(Error::bug(format!("`{id}` creates what is no resource")));
        };
        let found = super::refresh::within(self.settings.timeout_seconds, kind.read(&[object.to_owned()])).await?;
        if found.into_iter().flatten().next().is_none() {
            let message = format!("there is no `{}` with the identity `{object}`", step.kind);
            return Err(Error::new(ErrorKind::NotFound, message).with_hint("give the identity as the provider shows it"));
        }
        Ok(())
    }

    /// The draft of a record about one step, with what it does to the state.
    pub(super) async fn draft(&self, run: &RunSummary, id: &StepId, settled: StepFact) -> Result<Draft> {
        let (plan, progress) = (self.store.plan(&run.plan).await?, self.progress(&run.id).await?);
        let unknown = || Error::new(ErrorKind::NotFound, format!("the run `{}` has no step `{id}`", run.id));
        let step: &Step = plan.steps.iter().find(|step| step.id == *id).ok_or_else(unknown)?;
        let inputs = progress.inputs.get(id).cloned().unwrap_or_default();
        let rows = crate::journal::effect(&run.id, step, self.store.rows().await?.get(step.row()), &inputs, &settled);
        let record = fact(&run.id, self.clock.now(), Fact::Step { id: id.clone(), fact: settled });
        Ok(Draft { rows, ..record })
    }
}
