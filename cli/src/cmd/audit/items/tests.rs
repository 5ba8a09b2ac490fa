use super::*;
use secretref_domain::trail::Verdict;
use secretref_identity::note::NoteSigner;

fn told(text: &str) -> Result<u64, Stopped> {
    let key = NoteSigner::new("o/audit", &NoteSigner::generate().unwrap()).unwrap().verifier();
    let mut verifier = Verifier::new("o/audit", None, key.opener())?;
    let (export, header) = Export::open(text.as_bytes())?;
    assert_eq!(header.origin, "o/audit");
    export.feed(&mut verifier)?;
    Ok(verifier.finish()?.entries())
}

fn verdict(text: &str) -> Verdict {
    match told(text) {
        Err(Stopped::Finding(finding)) => finding.verdict,
        other => panic!("{text}: {other:?}"),
    }
}

const HEADER: &str = "{\"export\":{\"format\":1,\"origin\":\"o/audit\"}}\n";
const END: &str = "{\"end\":{\"items\":0}}\n";

#[test]
fn an_export_has_a_beginning_and_an_end() {
    assert_eq!(told(&format!("{HEADER}{END}")).unwrap(), 0);
    for text in ["", "\n", "{}\n", END, "{\"export\":{\"format\":2,\"origin\":\"o/audit\"}}\n"] {
        assert!(matches!(told(text), Err(Stopped::Failed(_))), "{text}");
    }
    let short = format!("{HEADER}{}", &END[..END.len() - 1]);
    for text in [HEADER.to_owned(), short, format!("{HEADER}{{\"end\":{{\"items\":1}}}}\n")] {
        assert_eq!(verdict(&text), Verdict::Truncated, "{text}");
    }
}

#[test]
fn nothing_else_stands_in_an_export() {
    let entry = |fields: &str| format!("{HEADER}{{\"entry\":{{{fields}}}}}\n{END}");
    let lane = "\"lane\":\"00000000-0000-0000-0000-000000000001\",\"seq\":1";
    for text in [
        format!("{HEADER}{HEADER}{END}"),
        format!("{HEADER}{END}{END}"),
        format!("{HEADER}no JSON\n{END}"),
        format!("{HEADER}{{\"other\":1}}\n{END}"),
        entry(lane),
        entry(&format!("{lane},\"canonical\":\"?\",\"hash\":\"\"")),
        entry(&format!("{lane},\"canonical\":\"\",\"hash\":\"AAAA\"")),
        entry(&format!("{lane},\"canonical\":\"\",\"hash\":\"\",\"more\":1")),
    ] {
        assert_eq!(verdict(&text), Verdict::Altered, "{text}");
    }
}
