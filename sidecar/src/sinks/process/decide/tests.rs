use super::*;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::cell::Cell;

/// A variable and a file for each reaction.
const REACTIONS: [&str; 3] = ["nothing", "signal", "restart"];
const PLACES: usize = 2 * REACTIONS.len();

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    /// A set comes: a value for each place, or none; and whether all is there that is required.
    Set([Option<u8>; PLACES], bool),
    /// The program ends by itself.
    End,
}

fn place(at: usize) -> Place {
    let name = format!("P{at}");
    match at < REACTIONS.len() {
        true => Place::Variable(EnvVar::parse(&name).unwrap()),
        false => Place::File(FileName::parse(&name).unwrap()),
    }
}

fn reaction(at: usize) -> Reaction {
    match REACTIONS[at % REACTIONS.len()] {
        "restart" => Reaction::Restart,
        "signal" => Reaction::Signal(format!("S{at}")),
        _ => Reaction::Nothing,
    }
}

fn wants(values: &[Option<u8>; PLACES]) -> Wants {
    let want = |(at, value): (usize, &Option<u8>)| {
        let fingerprint = [(*value)?; 32];
        Some((place(at), Want { fingerprint, reaction: reaction(at) }))
    };
    let places = values.iter().enumerate().filter_map(want).collect();
    Wants { places, ..Wants::default() }
}

/// The model: plain arrays, and the rules as people would say them.
#[derive(Debug, Default)]
struct Model {
    program: Option<Modelled>,
}

#[derive(Debug, Clone)]
struct Modelled {
    environment: [Option<u8>; PLACES],
    knows: [Option<u8>; PLACES],
}

impl Model {
    fn expects(&mut self, values: [Option<u8>; PLACES], ready: bool) -> Decision {
        let fresh = Modelled { environment: values, knows: values };
        let Some(program) = &mut self.program else {
            self.program = ready.then_some(fresh);
            return if ready { Decision::Start } else { Decision::Wait };
        };
        let variables = 0..REACTIONS.len();
        let has_what_it_may_not =
            variables.clone().any(|at| program.environment[at].is_some() && values[at].is_none());
        if has_what_it_may_not {
            self.program = ready.then_some(fresh);
            return if ready { Decision::Replace } else { Decision::Stop };
        }
        let changed = |at: &usize| {
            let gone = values[*at].is_none() && variables.contains(at);
            program.knows[*at] != values[*at] && !gone
        };
        let reactions: Vec<Reaction> = (0..PLACES).filter(changed).map(reaction).collect();
        if reactions.contains(&Reaction::Restart) {
            if ready {
                self.program = Some(fresh);
                return Decision::Replace;
            }
            return Decision::Nothing;
        }
        let signals: BTreeSet<String> = reactions
            .into_iter()
            .filter_map(|reaction| match reaction {
                Reaction::Signal(signal) => Some(signal),
                _ => None,
            })
            .collect();
        if ready || !signals.is_empty() {
            program.knows = values;
        }
        if signals.is_empty() { Decision::Nothing } else { Decision::Signal(signals) }
    }
}

/// Programs that run, as the decisions are carried out.
#[derive(Debug)]
struct Carried {
    alive: u32,
    most: u32,
    hand_over: bool,
}

impl Carried {
    fn start(&mut self) {
        self.alive += 1;
        self.most = self.most.max(self.alive);
    }

    fn out(&mut self, decision: &Decision) {
        match decision {
            Decision::Start => self.start(),
            Decision::Stop => self.alive -= 1,
            Decision::Replace if self.hand_over => {
                self.start();
                self.alive -= 1;
            }
            Decision::Replace => {
                self.alive -= 1;
                self.start();
            }
            Decision::Wait | Decision::Nothing | Decision::Signal(_) => {}
        }
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Few values, so that many sets bring the same again.
    let value = prop_oneof![4 => (0..2_u8).prop_map(Some), 1 => Just(None)];
    let set = (proptest::array::uniform6(value), prop::bool::weighted(0.85));
    let event = prop_oneof![
        9 => set.prop_map(|(values, ready)| Event::Set(values, ready)),
        1 => Just(Event::End),
    ];
    vec(event, 40..60)
}

#[test]
fn ten_thousand_decisions_are_those_of_the_model() {
    let decided = Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let outcome = runner.run(&(events(), any::<bool>()), |(events, hand_over)| {
        let (mut model, mut running) = (Model::default(), None);
        let mut carried = Carried { alive: 0, most: 0, hand_over };
        for event in events {
            let Event::Set(values, ready) = event else {
                (model.program, running, carried.alive) = (None, None, 0);
                continue;
            };
            let wants = wants(&values);
            let decision = decide(running.as_ref(), &wants, ready);
            prop_assert_eq!(&decision, &model.expects(values, ready));
            carried.out(&decision);
            running = after(running, &wants, ready, &decision);
            prop_assert_eq!(carried.alive, u32::from(running.is_some()));
            decided.set(decided.get() + 1);
            // What is carried out is done with.
            let again = decide(running.as_ref(), &wants, ready);
            let idle = matches!(again, Decision::Nothing | Decision::Wait);
            prop_assert!(idle, "{:?} after {:?}", again, decision);
        }
        prop_assert!(carried.most <= 1 + u32::from(hand_over));
        Ok(())
    });
    outcome.unwrap();
    assert!(decided.get() >= 10_000, "only {} decisions", decided.get());
}

#[test]
fn another_command_or_inheritance_is_a_change() {
    let wants = Wants { command: vec!["a".into()], ..Wants::default() };
    let running = Running { started: wants.clone(), told: wants.clone() };
    assert_eq!(decide(Some(&running), &wants, true), Decision::Nothing);
    let other = Wants { command: vec!["b".into()], ..wants.clone() };
    assert_eq!(decide(Some(&running), &other, true), Decision::Replace);
    let other = Wants { inherit: vec![EnvVar::parse("X").unwrap()], ..wants };
    assert_eq!(decide(Some(&running), &other, true), Decision::Replace);
    assert_eq!(decide(Some(&running), &other, false), Decision::Nothing, "it is put off");
}
