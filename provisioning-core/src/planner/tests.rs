//! Planning: data in, the rendered plan out.
//!
//! A case gives two documents. The first is planned on an empty state and carried out in a world that exists in memory
//! only; the plan of the second is compared, then carried out as well. Whatever a plan says must then hold: every step
//! finds what it refers to, no unique value is given twice, and planning once more has nothing to say.

mod changes;
mod drift;
mod hosts;
mod lookups;
mod mistakes;
mod properties;
mod removal;
mod render;
mod renames;
mod replacement;
mod selection;
mod texts;
mod unique;
mod world;

use world::World;

/// Compares the plan of a second document after a first has been applied, and carries it out.
#[track_caller]
fn check(before: &str, after: &str, options: &str, expected: &str) {
    check_in(&mut World::applied(before), after, options, expected);
}

/// Compares the plan of a document in a world, and carries it out.
#[track_caller]
fn check_in(world: &mut World, document: &str, options: &str, expected: &str) {
    let planned = world.plan(document, options);
    assert_eq!(render::flat(&render::result(&planned)), render::flat(expected));
    let Ok(plan) = planned else { return };
    world.carry_out(&plan);
    if options == "destroy" {
        assert!(world.state.is_empty() && world.objects.is_empty(), "{:?}", world.state.keys());
    }
    if !options.contains("-t ") && !options.contains("-x ") && !options.starts_with("forget") {
        let again = world.plan(document, options.split("--replace").next().unwrap_or_default());
        assert_eq!(render::result(&again), "nothing", "planned once more");
    }
}
