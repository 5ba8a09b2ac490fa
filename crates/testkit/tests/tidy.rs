//! The law as a test (ARCHITECTURE.md): walls, floors, rooms, names, sizes, and where a secret may
//! be laid open. It reads the work tree as text, so it says in a second what a reviewer would have
//! to notice. Each rule has a test of its own, in which an offender is found.

mod tidy {
    pub(crate) mod exposure;
    pub(crate) mod floors;
    pub(crate) mod names;
    pub(crate) mod pages;
    pub(crate) mod sizes;
    pub(crate) mod source;
    pub(crate) mod testing;
    pub(crate) mod walls;
}

use tidy::source::{Finding, Source, tree};

/// Says every offence at once, one a line.
fn obey(rule: impl Fn(&[Source]) -> Vec<Finding>) {
    let tree = tree();
    assert!(tree.len() > 50, "the work tree was not found: {} files", tree.len());
    let found = rule(&tree);
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} found:\n{}", found.len(), lines.join("\n"));
}

macro_rules! law {
    ($($(#[$doc:meta])* $name:ident: $rule:path;)+) => {
        $($(#[$doc])* #[test] fn $name() { obey($rule); })+
    };
}

law! {
    /// Crates depend on those below them, the pure ones on nothing that does I/O.
    walls_hold: tidy::walls::dependencies;
    /// The pure crates neither wait, nor read a clock, nor touch the system.
    pure_crates_stay_pure: tidy::walls::purity;
    /// SQL is spoken in the store only.
    sqlx_is_in_the_store_only: tidy::walls::sqlx;
    /// Errors are enums; anyhow is for `main`, the command line and the tests.
    anyhow_is_at_the_top_only: tidy::walls::anyhow;
    /// Imports point down, and leaves never meet.
    imports_point_down: tidy::floors::imports;
    /// Files, lines and `main` are short.
    sizes_are_kept: tidy::sizes::lengths;
    /// Rooms, types and accessors have names from the field.
    names_are_from_the_field: tidy::names::names;
    /// No `mod.rs`.
    rooms_are_files: tidy::names::mod_files;
    /// A value is laid open only where the list says.
    values_are_exposed_only_where_listed: tidy::exposure::exposures;
    /// The environment is read in `config` only.
    the_environment_is_read_in_config_only: tidy::exposure::environment;
    /// Tests are run, and wait for events.
    tests_are_run_and_do_not_sleep: tidy::testing::tests;
    /// Nothing is left for later in the text, and no machine is named.
    nothing_is_left_lying: tidy::pages::leftovers;
    /// Providers, rotators, notifiers and sinks have a page.
    every_plugin_has_a_page: tidy::pages::plugins;
    /// Everything on the wire is explained.
    every_field_is_commented: tidy::pages::wire;
}
