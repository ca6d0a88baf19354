//! The rule by which objects change hands, in every order of events: two processes never act on one object.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Owner, Shard, tests::fork};

/// Processes, some of the same shard, of several numbers of shards at once.
const SHARDS: [Option<&str>; 7] = [None, None, Some("1/2"), Some("1/2"), Some("2/2"), Some("1/3"), Some("3/3")];
const OBJECTS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A process takes its Lease if it is free, and lists everything anew.
    Lead(usize),
    /// A process ends, or loses its Lease: it stops before the Lease is free.
    Stop(usize),
    /// The watch of a process has told everything.
    Watch(usize),
    /// A pass of an object begins or ends.
    Begin(usize, usize),
    End(usize, usize),
    /// A process that leads takes the Lease of the owner of an object that should be its, as far as it knows.
    Seize(usize, usize),
    /// It gives the object its label, if the object is still as it knows it.
    Label(usize),
    /// It lets the Lease go.
    Release(usize),
}

#[derive(Default)]
struct Process {
    leads: bool,
    /// Whose each object is, as it was told.
    known: BTreeMap<usize, Owner>,
    acts_on: BTreeSet<usize>,
    /// The object that it takes over, and whose it was when the Lease of that owner was taken.
    seizes: Option<(usize, Owner)>,
}

struct World {
    owners: Vec<Owner>,
    leases: BTreeMap<String, usize>,
    processes: Vec<Process>,
    objects: Vec<Owner>,
}

impl World {
    fn new() -> Self {
        let shard = |text: &str| text.parse::<Shard>().expect("a shard");
        Self {
            owners: SHARDS.map(|text| Owner::new(text.map(shard))).into(),
            leases: BTreeMap::new(),
            processes: SHARDS.map(|_| Process::default()).into(),
            objects: OBJECTS.map(|_| Owner::Whole).into(),
        }
    }

    fn take(&mut self, owner: &Owner, process: usize) -> bool {
        let Some(lease) = owner.lease() else { return false };
        *self.leases.entry(lease).or_insert(process) == process
    }

    fn release(&mut self, owner: &Owner, process: usize) {
        let lease = owner.lease().unwrap_or_default();
        if self.leases.get(&lease) == Some(&process) {
            self.leases.remove(&lease);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Lead(process) => {
                let owner = self.owners[process].clone();
                if !self.processes[process].leads && self.take(&owner, process) {
                    self.processes[process].leads = true;
                    self.know_all(process);
                }
            }
            Event::Stop(process) => {
                let known = std::mem::take(&mut self.processes[process]).known;
                self.processes[process].known = known;
                self.leases.retain(|_, holder| *holder != process);
            }
            Event::Watch(process) => self.know_all(process),
            Event::Begin(process, object) => {
                let Process { leads, known, acts_on, .. } = &mut self.processes[process];
                if *leads && known.get(&object) == Some(&self.owners[process]) {
                    acts_on.insert(object);
                }
            }
            Event::End(process, object) => {
                self.processes[process].acts_on.remove(&object);
            }
            Event::Seize(process, object) => {
                let Process { leads, known, seizes, .. } = &self.processes[process];
                let Some(of) = known.get(&object).cloned() else { return };
                let fits = self.owners[process].fits(&fork(OBJECTS[object], None));
                if *leads && seizes.is_none() && fits && of != self.owners[process] && self.take(&of, process) {
                    self.processes[process].seizes = Some((object, of));
                }
            }
            Event::Label(process) => {
                // The resourceVersion says whether it is still as it is known.
                if let Some((object, of)) = &self.processes[process].seizes
                    && self.objects[*object] == *of
                {
                    let (object, owner) = (*object, self.owners[process].clone());
                    self.objects[object] = owner.clone();
                    self.processes[process].known.insert(object, owner);
                }
            }
            Event::Release(process) => {
                if let Some((_, of)) = self.processes[process].seizes.take() {
                    self.release(&of, process);
                }
            }
        }
    }

    /// A pass of an object that went elsewhere is aborted.
    fn know_all(&mut self, process: usize) {
        let owner = &self.owners[process];
        let known: BTreeMap<_, _> = self.objects.iter().cloned().enumerate().collect();
        let Process { known: before, acts_on, .. } = &mut self.processes[process];
        acts_on.retain(|object| known[object] == *owner);
        *before = known;
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0..12, 0..SHARDS.len(), 0..OBJECTS.len()).prop_map(|(event, process, object)| match event {
        0 | 1 => Event::Lead(process),
        2 => Event::Stop(process),
        3 => Event::Watch(process),
        4 | 5 => Event::Begin(process, object),
        6 => Event::End(process, object),
        7 | 8 => Event::Seize(process, object),
        9 | 10 => Event::Label(process),
        _ => Event::Release(process),
    });
    prop::collection::vec(event, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_processes_never_act_on_one_object(events in events()) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
            for (object, name) in OBJECTS.iter().enumerate() {
                let acting = world.processes.iter().filter(|process| process.acts_on.contains(&object)).count();
                prop_assert!(acting <= 1, "{acting} act on {name} after {event:?}");
            }
        }
    }
}

/// Whatever there is, once only the processes of one number of shards are left, everything goes to where it fits.
#[test]
fn everything_finds_its_place() {
    let mut world = World::new();
    let settle = |world: &mut World, processes: &[usize]| {
        for process in 0..SHARDS.len() {
            world.happen(Event::Stop(process));
        }
        for process in processes {
            world.happen(Event::Lead(*process));
            for object in 0..OBJECTS.len() {
                world.happen(Event::Seize(*process, object));
                world.happen(Event::Label(*process));
                world.happen(Event::Release(*process));
            }
        }
        let all_fit = (0..OBJECTS.len()).all(|object| {
            let owner = &world.objects[object];
            processes.iter().any(|process| world.owners[*process] == *owner) && owner.fits(&fork(OBJECTS[object], None))
        });
        assert!(all_fit, "{:?}", world.objects);
    };
    settle(&mut world, &[2, 4]);
    settle(&mut world, &[0]);
    settle(&mut world, &[3, 4]);
}
