//! Floors: inside a crate an import may only point down.

use super::source::{Finding, Source, is_word};

/// The floors of a crate, and the rooms on each. Rooms of one floor do not know one another.
struct House {
    folder: &'static str,
    floors: &'static [(u8, &'static [&'static str])],
}

const HOUSES: [House; 3] = [
    House {
        folder: "broker/src/",
        floors: &[
            (8, &["init"]),
            (7, &["app"]),
            (6, &["grpc", "health"]),
            (5, &["rotation", "alerts", "refresh", "checkpoints", "copies"]),
            (4, &["custody"]),
            (
                3,
                &[
                    "store",
                    "feed",
                    "authority",
                    "unseal",
                    "providers",
                    "rotators",
                    "notifiers",
                    "metrics",
                    "telemetry",
                ],
            ),
            (2, &["aws"]),
            (1, &["config", "outbound", "trust"]),
            (0, &["permits"]),
        ],
    },
    House {
        folder: "sidecar/src/",
        floors: &[
            (8, &["command"]),
            (7, &["app"]),
            (6, &["sinks", "health"]),
            (5, &["link"]),
            (4, &["snapshot"]),
            (
                3,
                &[
                    "state",
                    "status",
                    "lease",
                    "witness",
                    "trail",
                    "refusals",
                    "hardening",
                    "telemetry",
                ],
            ),
            (2, &["config"]),
        ],
    },
    House {
        folder: "cli/src/",
        floors: &[
            (6, &["cmd"]),
            (5, &["connect"]),
            (4, &["print", "profile"]),
            (3, &["failure"]),
            (2, &["config"]),
        ],
    },
];

/// Files beside a room that belong to it.
const ANNEXES: [(&str, &str); 3] = [
    ("fold", "snapshot"),
    ("notify", "feed"),
    // clap's derive makes the command line and its verbs one thing.
    ("args", "cmd"),
];

/// `main` wires what is under it, and `lib` only says what rooms there are.
const ROOF: u8 = 8;

pub(crate) fn imports(tree: &[Source]) -> Vec<Finding> {
    tree.iter()
        .filter(|source| source.is_rust() && !source.is_test())
        .filter_map(|source| {
            let house = HOUSES.iter().find(|house| source.path.starts_with(house.folder))?;
            Some(house.imports_of(source))
        })
        .flatten()
        .collect()
}

impl House {
    fn floor_of(&self, room: &str) -> Option<u8> {
        if ["main", "lib"].contains(&room) {
            return Some(ROOF);
        }
        let on = self.floors.iter().find(|(_, rooms)| rooms.contains(&room));
        on.map(|(floor, _)| *floor)
    }

    fn imports_of(&self, source: &Source) -> Vec<Finding> {
        let module = module_of(&source.path[self.folder.len()..]);
        let room = room_of(module[0]);
        let Some(floor) = self.floor_of(room) else {
            let problem = format!("the room `{room}` has no floor: give it one in HOUSES");
            return vec![source.finding(0, problem)];
        };
        let mut found = Vec::new();
        for (at, to) in rooms_named(&source.code, module.len()) {
            let to = room_of(&to);
            // What is no room is an item of the crate's root.
            let Some(other) = self.floor_of(to) else { continue };
            if to != room && other >= floor {
                let problem = format!(
                    "`{room}` (floor {floor}) imports `{to}` (floor {other}): imports point down"
                );
                found.push(source.finding(at, problem));
            }
        }
        found
    }
}

fn room_of(file: &str) -> &str {
    ANNEXES.iter().find(|(annex, _)| *annex == file).map_or(file, |(_, room)| room)
}

/// `store/sqlite.rs` → `[store, sqlite]`.
fn module_of(path: &str) -> Vec<&str> {
    path.trim_end_matches(".rs").split('/').collect()
}

/// The rooms that code in a module of this depth names, by `crate::` or by enough of `super::`.
fn rooms_named(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if !before.is_some_and(|before| is_word(before) || before == '$') {
            named.extend(first_names(&code[at + "crate::".len()..]).map(|name| (at, name)));
        }
    }
    let up = "super::".repeat(depth);
    for (at, _) in code.match_indices(&up) {
        let preceded = code[..at].ends_with("super::");
        let name = &code[at + up.len()..];
        if !preceded && !name.starts_with("super::") {
            named.extend(first_names(name).map(|name| (at, name)));
        }
    }
    named
}

/// `a::b` → a; `{a::{b, c}, d}` → a, d.
fn first_names(path: &str) -> impl Iterator<Item = String> + '_ {
    let mut names = Vec::new();
    let Some(group) = path.strip_prefix('{') else {
        names.push(path.chars().take_while(|character| is_word(*character)).collect());
        return names.into_iter();
    };
    let (mut depth, mut name, mut done) = (1, String::new(), false);
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => {
                names.push(std::mem::take(&mut name));
                done = false;
            }
            _ if depth == 1 && is_word(character) && !done => name.push(character),
            _ if !name.is_empty() => done = true,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.push(name);
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(code: &str, depth: usize) -> Vec<String> {
        rooms_named(code, depth).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn rooms_are_found_however_they_are_named() {
        assert_eq!(named("use crate::store::Store;", 1), ["store"]);
        assert_eq!(named("use crate::{\n    a::{b, c},\n    d as e,\n};", 1), ["a", "d", ""]);
        assert_eq!(named("let x = crate::feed::now();", 1), ["feed"]);
        assert_eq!(named("use super::custody::Verb;", 1), ["custody"]);
        assert_eq!(named("use super::batch::Verb;", 2), Vec::<String>::new());
        assert_eq!(named("use super::super::feed::Verb;", 2), ["feed"]);
        assert_eq!(named("$crate::macros::x", 1), Vec::<String>::new());
    }

    #[test]
    fn an_import_that_points_up_or_aside_is_found() {
        let offences = [
            ("broker/src/store/sqlite.rs", "use crate::custody::Custody;"),
            ("broker/src/store.rs", "use super::feed::Feed;"),
            ("broker/src/feed.rs", "use crate::{store::Store};"),
            ("broker/src/custody/secrets.rs", "use crate::grpc::status;"),
            ("sidecar/src/link.rs", "fn f() -> crate::sinks::Sinks {}"),
            ("sidecar/src/brand_new.rs", ""),
        ];
        for (path, text) in offences {
            assert_eq!(imports(&[Source::new(path, text)]).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn an_import_that_points_down_is_not() {
        let fine = [
            ("broker/src/app.rs", "use crate::{grpc, custody, store};"),
            ("broker/src/custody.rs", "use crate::{feed::Feed, store::{Store, Batch}};"),
            ("broker/src/store/sqlite.rs", "use crate::store::Batch;\n// crate::custody"),
            ("sidecar/src/main.rs", "use crate::app;"),
            ("broker/src/store/tests.rs", "use crate::custody::Custody;"),
        ];
        for (path, text) in fine {
            assert_eq!(imports(&[Source::new(path, text)]), [], "{path}: {text}");
        }
    }
}
