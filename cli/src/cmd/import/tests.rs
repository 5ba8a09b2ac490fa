use super::*;
use secretref_domain::manifest;

fn planned(text: &str) -> Vec<Planned> {
    let variables = dotenv::parse(text).ok().unwrap();
    let plan = |variable: Variable| {
        let secret = proposed("", variable.name.as_str()).unwrap();
        Planned { secret, variable }
    };
    variables.into_iter().map(plan).collect()
}

#[test]
fn a_variable_proposes_the_name_of_a_secret() {
    for (prefix, variable, name) in [
        ("", "STRIPE_API_KEY", "stripe-api-key"),
        ("prod/", "STRIPE_API_KEY", "prod/stripe-api-key"),
        ("", "_A__B_", "a-b"),
        ("", "Mixed1", "mixed1"),
    ] {
        assert_eq!(proposed(prefix, variable).unwrap().as_str(), name);
    }
    for (prefix, variable) in [("", "___"), ("Prod/", "A"), ("/", "A"), ("a//", "B")] {
        let failure = proposed(prefix, variable).unwrap_err();
        assert!(failure.to_string().contains(variable), "{failure}");
    }
}

#[test]
fn the_manifest_is_taken_as_it_stands() {
    let planned = planned("STRIPE_API_KEY=x\nOTHER='y'");
    let (agent, tool) = ("a".parse().unwrap(), "t".parse().unwrap());
    let text = binding::manifest(&agent, &tool, Some("stripe"), &planned).unwrap();
    let read = manifest::parse(&[("m.json", text.as_bytes())]).unwrap();
    assert_eq!(read.warnings, Vec::<String>::new());
    let credential = &read.agents["a"].tools["t"].credentials["STRIPE_API_KEY"];
    assert_eq!(credential.secret_ref.as_str(), "stripe-api-key");
    assert_eq!(credential.env_var.as_ref().map(|it| it.as_str()), Some("STRIPE_API_KEY"));
    assert_eq!(read.references["other"].service.as_deref(), Some("stripe"));
    let many: String = (0..257).map(|at| format!("A{at}=b\n")).collect();
    assert!(binding::manifest(&agent, &tool, None, &self::planned(&many)).is_err());
}
