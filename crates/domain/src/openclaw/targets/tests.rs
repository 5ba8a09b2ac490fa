use super::*;
use zeroize::Zeroizing;

fn read(text: &str) -> Document {
    Document::parse(Zeroizing::new(text.to_owned())).unwrap()
}

fn target(line: &str) -> Target {
    Target::parse(line).unwrap()
}

#[test]
fn the_table_has_the_64_targets() {
    let known = known();
    assert_eq!(known.len(), 64);
    let (profiles, beside) = (
        known.iter().filter(|it| it.file == File::Profiles).count(),
        known.iter().filter(|it| it.sibling.is_some()).count(),
    );
    assert_eq!((profiles, beside), (2, 4));
    assert_eq!(excluded().len(), 9);
}

#[test]
fn a_path_finds_every_place_that_it_names() {
    let document = read(
        "{list: [{key: 'a'}, {other: 1}, {key: 'b'}], \
         by: {'x.y': {key: 'c'}, z: {key: 'd'}, odd: [1]}}",
    );
    let paths = |line: &str| -> Vec<String> {
        target(line).find(&document).iter().map(|it| it.path.to_string()).collect()
    };
    assert_eq!(paths("openclaw.json\tlist[].key\t\tsecret_input\t"), ["list.0.key", "list.2.key"]);
    assert_eq!(paths("openclaw.json\tby.*.key\t\tsecret_input\t"), ["by.x.y.key", "by.z.key"]);
    assert_eq!(paths("openclaw.json\tby.z.*\t\tsecret_input\t"), ["by.z.key"]);
    assert!(paths("openclaw.json\tby.*.key.deep\t\tsecret_input\t").is_empty());
}

#[test]
fn a_ref_beside_is_found_with_and_without_what_it_stands_for() {
    let line = "auth-profiles.json\tprofiles.*.key\tprofiles.*.keyRef\tsibling_ref\t\
                {\"type\":\"api_key\"}";
    let document = read(
        "{profiles: {a: {type: 'api_key', key: 'x'}, b: {type: 'api_key', keyRef: {}}, \
         c: {type: 'oauth', key: 'x'}, d: {type: 'api_key'}, \
         e: {type: 'api_key', key: 'x', keyRef: {}}}}",
    );
    let found = target(line).find(&document);
    let shape = |it: &Found<'_>| (it.path.to_string(), it.member.is_some(), it.beside.is_some());
    assert_eq!(
        found.iter().map(shape).collect::<Vec<_>>(),
        [
            ("profiles.a.key".to_owned(), true, false),
            ("profiles.b.key".to_owned(), false, true),
            ("profiles.e.key".to_owned(), true, true),
        ]
    );
}

#[test]
fn a_line_that_is_wrong_is_told() {
    for line in [
        "other.json\ta\t\tsecret_input\t",
        "openclaw.json\t\t\tsecret_input\t",
        "openclaw.json\ta..b\t\tsecret_input\t",
        "openclaw.json\ta[]\t\tsecret_input\t",
        "openclaw.json\ta.__proto__.b\t\tsecret_input\t",
        "openclaw.json\ta.b\tc.bRef\tsibling_ref\t",
        "openclaw.json\ta.b\t\tsibling_ref\t",
        "openclaw.json\ta.b\ta.c\tsecret_input\t",
        "openclaw.json\ta.b\t\tother\t",
        "openclaw.json\ta.b\t\tsecret_input\t{",
        "openclaw.json\ta.b",
    ] {
        let table = format!("titles\n{line}\n");
        assert_eq!(parse(&table).unwrap_err().0, 2, "{line}");
    }
    assert_eq!(parse("titles\r\nopenclaw.json\ta.b\t\tsecret_input\t\r\n\r\n").unwrap().len(), 1);
}
