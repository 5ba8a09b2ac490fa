//! A corpus made for the purpose: keys of every shape of the table in every format, among what
//! only looks like them. Prints precision and recall of each kind and of all.

use super::{
    super::*,
    mint::{Lot, key},
};
use crate::service::kinds::KINDS;
use std::collections::BTreeMap;

/// Keys of each shape in each format.
const KEYS_OF_SHAPE: usize = 3;
/// Look-alikes of each sort.
const LOOKALIKES: usize = 60;
/// What share of the findings has to be right, in thousandths.
const PRECISION_MIN: usize = 990;

const FORMATS: [(&str, Format); 7] = [
    ("json", Format::Json),
    ("json5", Format::Json),
    ("yaml", Format::Yaml),
    ("yaml block", Format::Yaml),
    ("toml", Format::Json),
    ("dotenv", Format::Shell),
    ("shell", Format::Shell),
];

/// One line of a file with a name and a value.
fn written(form: &str, name: &str, value: &str) -> String {
    match form {
        "json" => format!("{{\"{name}\": {}}}", serde_json::to_string(value).unwrap()),
        "json5" => format!("{{{name}: '{}', // it\n}}", value.replace('\\', "\\\\")),
        "yaml block" => format!("{name}: |\n  {value}\n"),
        "yaml" => format!("- x: 1\n  {name}: {value}\n"),
        "toml" => format!("[s]\n{name} = \"{value}\"\n"),
        "dotenv" => format!("{name}={value}\n"),
        _ => format!("run --verbose --{} '{value}' && true\n", name.to_lowercase()),
    }
}

#[derive(Default)]
struct Tally {
    /// True keys, those that were found, and findings that were wrong.
    keys: usize,
    found: usize,
    wrong: usize,
}

#[test]
fn every_shape_is_found_and_what_looks_like_one_is_not() {
    let mut lot = Lot::new(2026);
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for kind in KINDS.iter().copied().flatten() {
        for shape in 0..kind.shapes.len() {
            for (form, format) in FORMATS {
                for _ in 0..KEYS_OF_SHAPE {
                    let key = key(kind, shape, &mut lot);
                    let name = kind.variables.first().copied().unwrap_or("VALUE");
                    let name =
                        if under(kind, name) { name.to_owned() } else { kind.near[0].into() };
                    let text = written(form, &name, &key);
                    let findings = scan(&text, format);
                    let tally = tallies.entry(kind.id).or_default();
                    tally.keys += 1;
                    let right = findings.iter().filter(|it| it.service == kind.service).count();
                    tally.found += right.min(1);
                    tally.wrong += findings.len() - right;
                    if right != 1 || findings.len() > 1 {
                        println!("{} as {form} is {findings:?}: {text}", kind.id);
                    }
                }
            }
        }
    }
    for (sort, text, format) in lookalikes(&mut lot) {
        for finding in scan(&text, format) {
            println!("wrong: {sort}: {} in {text:.300}", finding.id);
            tallies.entry(finding.id).or_default().wrong += 1;
        }
    }
    report(&tallies);
}

fn under(kind: &Kind, name: &str) -> bool {
    kind.near.is_empty() || kind.near.iter().any(|word| spelled(name).contains(word))
}

fn report(tallies: &BTreeMap<&str, Tally>) {
    let mut all = Tally::default();
    for (id, Tally { keys, found, wrong }) in tallies {
        let precision = *found as f64 / (found + wrong).max(1) as f64;
        let recall = *found as f64 / (*keys).max(1) as f64;
        println!("{id:28} keys {keys:4}  precision {precision:.4}  recall {recall:.4}");
        all = Tally { keys: all.keys + keys, found: all.found + found, wrong: all.wrong + wrong };
    }
    let Tally { keys, found, wrong } = all;
    let precision = found as f64 / (found + wrong) as f64;
    println!("all: {keys} keys, {found} found, {wrong} wrong: precision {precision:.4}");
    assert_eq!(found, keys, "recall is 100 % on the table's own shapes");
    assert!(found * 1000 >= (found + wrong) * PRECISION_MIN, "precision {precision:.4}");
}

/// What is no credential, in files as they are.
fn lookalikes(lot: &mut Lot) -> Vec<(&'static str, String, Format)> {
    let mut all = Vec::new();
    for _ in 0..LOOKALIKES {
        let hex = |lot: &mut Lot, count| lot.run(b'x', count);
        let uuid = ["<x8>", "4", "4", "4", "12"];
        let lengths = [8, 4, 4, 4, 12];
        let uuid: Vec<String> = uuid.iter().zip(lengths).map(|(_, n)| hex(lot, n)).collect();
        let uuid = uuid.join("-");
        let words = ["stripe", "token", "service", "worker", "payment", "eu", "prod", "key"];
        let slug: Vec<&str> = (0..4).map(|_| words[lot.below(words.len())]).collect();
        let pem: Vec<String> = (0..6).map(|_| lot.run(b'6', 64)).collect();
        let pem = pem.join("\n");
        all.extend([
            ("uuid", format!("{{\"id\": \"{uuid}\", \"session\": \"{uuid}\"}}"), Format::Json),
            ("git", format!("commit {}\nparent {}\n", hex(lot, 40), hex(lot, 40)), Format::Json),
            ("sha256", format!("{}  file.tar.gz\n", hex(lot, 64)), Format::Json),
            ("cargo", format!("checksum = \"{}\"\n", hex(lot, 64)), Format::Json),
            (
                "npm lock",
                format!("\"integrity\": \"sha512-{}==\",\n", lot.run(b'6', 86)),
                Format::Json,
            ),
            ("go.sum", format!("example.org/x v1.2.3 h1:{}=\n", lot.run(b'6', 43)), Format::Json),
            ("yarn", format!("resolved \"https://r.test/x.tgz#{}\"\n", hex(lot, 40)), Format::Yaml),
            (
                "image",
                format!("src: data:image/png;base64,{}\n", lot.run(b'6', 3000)),
                Format::Yaml,
            ),
            ("base64", format!("{{\"blob\": \"{}\"}}", lot.run(b'6', 4000)), Format::Json),
            ("base64url", format!("{{\"page\": \"{}\"}}", lot.run(b'u', 400)), Format::Json),
            (
                "certificate",
                format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n"),
                Format::Json,
            ),
            ("ssh key", format!("ssh-ed25519 {} me@host\n", lot.run(b'6', 68)), Format::Shell),
            ("minified", minified(lot), Format::Json),
            ("docker", format!("image: app@sha256:{}\n", hex(lot, 64)), Format::Yaml),
            ("slug", format!("secret: {}\n", slug.join("-")), Format::Yaml),
            ("ref", format!("apiKey: ${{{}}}\n", slug.join("_").to_uppercase()), Format::Yaml),
            ("pin", format!("uses: actions/checkout@{}\n", hex(lot, 40)), Format::Yaml),
            (
                "etag",
                format!("ETAG=\"{}\"\nTRACE_ID={}\n", hex(lot, 32), hex(lot, 32)),
                Format::Shell,
            ),
            (
                "csp",
                format!("nonce-{}; sha256-{}=\n", lot.run(b'b', 22), lot.run(b'6', 43)),
                Format::Json,
            ),
            (
                "zone",
                format!("CLOUDFLARE_ZONE_ID={}\nHEROKU_APP_ID={uuid}\n", hex(lot, 32)),
                Format::Shell,
            ),
            ("public", format!("publicKey: pk_live_{}\n", lot.run(b'b', 24)), Format::Yaml),
            (
                "url",
                format!("https://host.test/a?x={}&y={uuid}\n", lot.run(b'b', 30)),
                Format::Json,
            ),
            ("ends early", format!("t: ghp_{}\n", lot.run(b'b', 22)), Format::Yaml),
            ("wrong sum", format!("t: ghp_{}!\n", lot.run(b'b', 36)), Format::Yaml),
        ]);
    }
    all
}

fn minified(lot: &mut Lot) -> String {
    let mut text = String::new();
    for _ in 0..80 {
        let (a, b) = (lot.run(b't', 2), lot.run(b't', 3));
        text.push_str(&format!("function {a}({b}){{return {b}.token?{b}.key:\"{a}\"}};"));
    }
    text
}

#[test]
fn the_table_is_what_it_says() {
    let kinds = || KINDS.iter().copied().flatten();
    let ids: std::collections::BTreeSet<&str> = kinds().map(|kind| kind.id).collect();
    assert_eq!(ids.len(), kinds().count(), "an id stands twice");
    let services: std::collections::BTreeSet<&str> = kinds().map(|kind| kind.service).collect();
    println!("{} services, {} kinds", services.len(), ids.len());
    assert!(services.len() >= 64, "{} services", services.len());
    for kind in kinds() {
        assert!(!kind.source.is_empty() && !kind.shapes.is_empty(), "{}", kind.id);
        for text in kind.shapes {
            let shape = service::shape::Shape::parse(text);
            consistent(kind, &shape, text);
        }
    }
}

/// The rules of the notation: see `service::shape`.
fn consistent(kind: &Kind, shape: &service::shape::Shape, text: &str) {
    use crate::service::shape::{Part, holds};
    let parts = shape.parts();
    for pair in parts.windows(2) {
        let (Part::Run { class, least, most }, Part::Literal(next)) = (&pair[0], &pair[1]) else {
            continue;
        };
        let greedy = least != most && holds(*class, next[0]);
        assert!(!greedy, "{}: {text}: a run would eat what follows", kind.id);
    }
    let literal = |part: &Part| matches!(part, Part::Literal(text) if text.contains(&b'<'));
    assert!(!parts.iter().any(literal), "{}: {text} is no notation", kind.id);
    let anchored = parts.iter().any(|part| matches!(part, Part::Literal(_)));
    assert!(anchored || !kind.near.is_empty(), "{}: {text} says nothing by itself", kind.id);
    if kind.near.is_empty() {
        let anchor = parts.iter().position(|part| matches!(part, Part::Literal(_))).unwrap();
        let fixed = |part: &Part| matches!(part, Part::Run { least, most, .. } if least == most);
        assert!(parts[..anchor].iter().all(fixed), "{}: {text}: where does it begin?", kind.id);
    }
}
