//! What holds for every plan, on random declarations by seed.

use std::fmt::Write as _;

use super::world::World;
use crate::plan::{ChangeKind, Plan};

const SEEDS: u64 = 500;

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        usize::try_from(bits % u64::try_from(bound).expect("it fits")).expect("it fits")
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn one_of<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() { None } else { Some(items[self.below(items.len())].clone()) }
    }
}

/// Things that depend on one another in a random way, some with a flag; some are renamed from an earlier document.
fn document(random: &mut Random, before: &str) -> String {
    let mut numbers: Vec<usize> = (0..=random.below(9)).collect();
    (0..numbers.len()).for_each(|index| numbers.swap(index, random.below(index + 1)));
    let (mut text, mut names, mut flags) = (String::new(), Vec::<String>::new(), Vec::new());
    for number in numbers {
        if random.chance(5) {
            continue;
        }
        let zone = random.below(3);
        let old = format!("t{number}");
        let renamed = before.contains(&format!("{old} = ")) && random.chance(6);
        let name = if renamed { format!("r{number}") } else { old.clone() };
        // The name changes with the zone, so that everything can be made first.
        write!(text, "{name} = {{ name = \"t{number}-{zone}\", zone = \"{zone}\", size = {}", random.below(3)).expect("written");
        if let Some(on) = random.one_of(&names).filter(|_| random.chance(2)) {
            let output = random.one_of(&["id", "address", "revision", "size", "zone"]).expect("there are some");
            write!(text, ", from = \"${{{on}.{output}}}\"").expect("written");
        }
        for list in ["depends_on", "after"] {
            if let Some(on) = random.one_of(&names).filter(|_| random.chance(3)) {
                write!(text, ", {list} = [\"{on}\"]").expect("written");
            }
        }
        let moved = if renamed { format!(", moved_from = \"{old}\"") } else { String::new() };
        writeln!(text, ", lifecycle = {{ create_before_destroy = {}{moved} }} }}", random.chance(4)).expect("written");
        if random.chance(4) {
            flags.push(format!("\"{name}\""));
        }
        names.push(name);
    }
    if !flags.is_empty() {
        let (on, value) = (flags.join(", "), random.below(2));
        write!(text, "[services]\nflag = {{ service = \"flag\", on = [{on}], config = {{ value = {value} }} }}")
            .expect("written");
    }
    text
}

/// A document in a world that an earlier one was applied in.
struct Case {
    random: Random,
    world: World,
    before: String,
    after: String,
}

impl Case {
    fn of(seed: u64) -> Self {
        let mut random = Random(seed);
        let before = document(&mut random, "");
        let after = document(&mut random, &before);
        let mut case = Self { random, world: World::empty(), before, after };
        let plan = case.plan(&case.before, "");
        case.carry_out(&plan);
        case
    }

    fn plan(&self, document: &str, options: &str) -> Plan {
        self.world.plan(document, options).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Carries out a plan in a random order that its edges allow.
    fn carry_out(&mut self, plan: &Plan) {
        let Self { random, world, .. } = self;
        world.carry_out_in(plan, |ready| random.below(ready), |_| false);
    }

    /// Plans and carries out the second document, after which there is nothing more to do, and nothing that nobody knows.
    fn finish(&mut self) {
        let plan = self.plan(&self.after, "");
        self.carry_out(&plan);
        let again = self.plan(&self.after, "");
        assert!(again.is_empty(), "{:?}", again.changes);
        let kept = self.world.state.values().filter_map(|row| row.object.as_ref());
        let kept: Vec<_> = kept.filter(|object| !object.id.contains('@')).map(|object| &object.id).collect();
        assert_eq!(kept.len(), self.world.objects.len(), "{kept:?}");
    }
}

/// Runs a test on every seed; a panic inside is told with the seed.
fn for_each_seed(test: impl Fn(Case) + std::panic::RefUnwindSafe) {
    for seed in 0..SEEDS {
        let told = || {
            let case = Case::of(seed);
            format!("-- before\n{}\n-- after\n{}", case.before, case.after)
        };
        assert!(std::panic::catch_unwind(|| test(Case::of(seed))).is_ok(), "with the seed {seed}:\n{}", told());
    }
}

#[test]
fn a_plan_of_what_was_applied_is_empty() {
    for_each_seed(|case| {
        let plan = case.plan(&case.before, "");
        assert!(plan.is_empty(), "{:?}", plan.changes);
    });
}

#[test]
fn a_plan_that_was_carried_out_in_any_order_leaves_nothing_to_plan() {
    for_each_seed(|mut case| case.finish());
}

#[test]
fn a_run_that_dies_anywhere_can_be_planned_to_its_end() {
    for_each_seed(|mut case| {
        let plan = case.plan(&case.after, "");
        if let Some(last) = case.random.one_of(&plan.steps) {
            let Case { random, world, .. } = &mut case;
            world.carry_out_in(&plan, |ready| random.below(ready), |step| step.id == last.id);
            case.finish();
        }
    });
}

#[test]
fn a_part_can_be_planned_first_and_the_rest_later() {
    for_each_seed(|mut case| {
        let names: Vec<_> = case.world.state.keys().filter(|name| !name.as_str().contains('@')).cloned().collect();
        if let Some(name) = case.random.one_of(&names) {
            let option = if case.random.chance(2) { "-t" } else { "-x" };
            let plan = case.plan(&case.after, &format!("{option} {name}"));
            case.carry_out(&plan);
            case.finish();
        }
    });
}

#[test]
fn a_destroy_empties_the_state_and_the_world() {
    for_each_seed(|mut case| {
        let plan = case.plan(&case.after, "destroy");
        case.carry_out(&plan);
        assert!(case.world.state.is_empty() && case.world.objects.is_empty());
    });
}

#[test]
fn nothing_is_deleted_while_something_that_stays_uses_it() {
    for_each_seed(|mut case| {
        let plan = case.plan(&case.after, "");
        if plan.changes.iter().any(|change| change.change == ChangeKind::Replace) {
            return; // Deleting first has its dependents change afterwards.
        }
        case.carry_out(&plan);
        let mut deleted = plan.changes.iter().filter(|change| change.change == ChangeKind::Delete);
        let undercut = deleted.find_map(|change| case.world.undercut.get(change.name.as_str()));
        assert_eq!(undercut, None);
    });
}
