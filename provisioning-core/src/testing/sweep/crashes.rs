//! Crashes: at every record, again and again, and twice by seed.

use std::ops::Range;

use super::case::Case;
use super::{Scene, Swept, undisturbed};
use crate::error::Result;
use crate::testing::Random;
use crate::testing::crash::{CrashPoint, Death, Moment};

/// Lets the store die at every append, before and after it is durable, with an error and in silence, and resumes with
/// another engine; then lets engine after engine die until the run is through.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn crash_after_every_record(scene: &Scene) -> Result<Swept> {
    let (wanted, _, appends) = undisturbed(scene).await?;
    let mut swept = Swept::default();
    for moment in [Moment::BeforeWrite, Moment::AfterWrite] {
        for death in [Death::Error, Death::Silence] {
            for spared in 0..appends {
                let point = CrashPoint { spared, moment, death };
                let case = Case::set(scene).await?;
                swept.note(&format!("{point:?}"), case.crash(&point, &wanted).await);
            }
            // A life appends that it resumed, one turn more, and dies in the next.
            let point = CrashPoint { spared: 2, moment, death };
            let case = Case::set(scene).await?;
            swept.note(&format!("again and again {point:?}"), case.crash_again_and_again(&point, appends, &wanted).await);
        }
    }
    Ok(swept)
}

/// Lets the store die at a point of the run, and again at a point of the life after, both by seed.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn crash_twice(scene: &Scene, seeds: Range<u64>) -> Result<Swept> {
    let (wanted, _, appends) = undisturbed(scene).await?;
    let mut swept = Swept::default();
    for seed in seeds {
        let mut random = Random::new(seed);
        let points = [(); 2].map(|()| CrashPoint {
            spared: usize::try_from(random.within(0..appends as u64)).unwrap_or(0),
            moment: *random.pick(&[Moment::BeforeWrite, Moment::AfterWrite]),
            death: *random.pick(&[Death::Error, Death::Silence]),
        });
        let case = Case::set(scene).await?;
        swept.note(&format!("seed {seed}, {points:?}"), case.crash_each(&points, &wanted).await);
    }
    Ok(swept)
}
