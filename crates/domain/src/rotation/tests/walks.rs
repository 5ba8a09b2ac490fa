//! Random walks: whatever happens, in whatever order, the promise is kept.

use super::*;

/// What the world does in one moment.
#[derive(Debug, Clone)]
enum Turn {
    /// The engine does what is next, and it works.
    Works,
    /// The engine does what is next, and it fails for now.
    Fails,
    /// It can never work.
    Refuses,
    /// The operator gives up.
    Aborts,
    /// An instance goes on to what it is to have.
    Applies(usize),
    /// An instance cannot take it.
    CannotTake(usize),
    /// An instance goes away, or comes back.
    Comes(usize, bool),
    /// Time passes.
    Passes(i64),
    /// Somebody puts a value.
    Puts,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        12 => Just(Turn::Works),
        2 => Just(Turn::Fails),
        1 => Just(Turn::Refuses),
        1 => Just(Turn::Aborts),
        12 => (0..3_usize).prop_map(Turn::Applies),
        1 => (0..3_usize).prop_map(Turn::CannotTake),
        4 => ((0..3_usize), prop::bool::ANY).prop_map(|(who, away)| Turn::Comes(who, away)),
        6 => (0..60_i64).prop_map(Turn::Passes),
        1 => Just(Turn::Puts),
    ];
    prop::collection::vec(turn, 0..120)
}

/// A world around one rotation. It keeps the promise's other half: which credential works.
struct World {
    rotation: Rotation,
    people: Vec<Consumer>,
    current: i64,
    newest: i64,
    now: i64,
    minted: u32,
    /// Whether the old and the new credential are valid at the service.
    valid: (bool, bool),
}

impl World {
    fn turn(&mut self, turn: &Turn) {
        match turn {
            Turn::Works => self.work(),
            Turn::Fails => {
                let trouble =
                    Trouble { message: "no".into(), times: 1, again_at: at(self.now + 5) };
                self.happen(Happened::Troubled(trouble));
            }
            Turn::Refuses if self.touches_the_service() => {
                self.happen(Happened::Refused("no".into()));
            }
            Turn::Refuses => {}
            Turn::Aborts => self.happen(Happened::Aborted("no".into())),
            Turn::Applies(who) => self.say(*who, Became::Applied),
            Turn::CannotTake(who) => self.say(*who, Became::Failed),
            Turn::Comes(who, away) => self.people[*who].away = *away,
            Turn::Passes(seconds) => self.now += seconds,
            Turn::Puts => {
                self.newest += 1;
                self.current = self.newest;
            }
        }
    }

    fn touches_the_service(&self) -> bool {
        matches!(self.rotation.phase, Phase::Minting | Phase::Setting | Phase::Testing)
    }

    fn happen(&mut self, happened: Happened) {
        let released = self.rotation.was_released();
        if let Ok(next) = self.rotation.after(happened, at(self.now)) {
            let turned = matches!(next.phase, Phase::Withdrawing { .. })
                && !matches!(self.rotation.phase, Phase::Withdrawing { .. });
            // The broker brings the old value back as a version of its own.
            if turned && released && self.current <= self.newest {
                self.newest += 1;
                self.current = self.newest;
            }
            self.rotation = next;
        }
    }

    fn work(&mut self) {
        let current = version(self.current);
        match self.rotation.next(&self.people, current, at(self.now)) {
            Step::Mint => {
                self.minted += 1;
                self.newest += 1;
                self.happen(Happened::Minted(version(self.newest)));
            }
            Step::Set => {
                self.valid.1 = true;
                self.happen(Happened::Set);
            }
            Step::Test => self.happen(Happened::Tested),
            Step::Record(happened) => self.happen(happened),
            Step::Promote => {
                self.current = self.rotation.new.unwrap().get();
                self.happen(Happened::Promoted);
            }
            Step::RevokeOld => {
                self.valid.0 = false;
                self.happen(Happened::Revoked);
            }
            Step::RevokeNew => {
                self.valid.1 = false;
                self.happen(Happened::Revoked);
            }
            Step::Wait(_) | Step::Nothing => {}
        }
    }

    /// An instance that is there says what became of what it is sent.
    fn say(&mut self, who: usize, became: Became) {
        let owed = self.rotation.released_to(agent(who as u128 + 1));
        let owed = owed.map_or(self.current, Version::get);
        let person = &mut self.people[who];
        if !person.away {
            let said = person.said.as_mut().unwrap();
            (said.version, said.became) = (owed, became);
        }
    }

    fn holds_new(&self) -> bool {
        let new = self.rotation.new.map_or(0, Version::get);
        let on = |it: &Consumer| {
            let said = it.said.as_ref().unwrap();
            said.version == new && said.became == Became::Applied
        };
        self.people.iter().any(on)
    }

    fn holds_old(&self) -> bool {
        self.people.iter().any(|it| {
            let said = it.said.as_ref().unwrap();
            said.version == 7 && said.became != Became::Wiped
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_old_one_is_never_revoked_while_anybody_is_on_it(turns in turns()) {
        let people = on(7);
        let mut world = World {
            rotation: rotation(), people, current: 7, newest: 7, now: 0, minted: 0,
            valid: (true, false),
        };
        for turn in &turns {
            let before = world.rotation.phase.clone();
            world.turn(turn);
            let revoked_now = !world.valid.0 && before == Phase::Revoking;
            prop_assert!(!revoked_now || !world.holds_old(), "{:?}", world.rotation);
            prop_assert!(world.minted <= 1, "minted twice");
            let taken_now = world.rotation.phase.is_over() && !before.is_over() && !world.valid.1;
            prop_assert!(!taken_now || !world.holds_new(), "{:?}", world.rotation);
            match &world.rotation.phase {
                // Whoever is not done has the old one to go back to.
                phase if *phase != Phase::Finished => prop_assert!(world.valid.0),
                _ => prop_assert!(world.valid.1),
            }
            if matches!(world.rotation.phase, Phase::Failed { .. } | Phase::Aborted { .. }) {
                prop_assert!(!world.valid.1, "a credential that nobody knows of was left");
            }
        }
    }
}
