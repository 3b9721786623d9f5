//! Named mixes of faults and settings. A seed picks everything else.

/// What the operator, or fate, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A process is killed.
    Kill,
    /// A process is killed before one of its next calls that change something on disk.
    KillInCall,
    /// A machine's power goes.
    PowerCut,
    /// A connection is reset.
    Cut,
    /// A replica loses its data, and the connection is reset that carries them again.
    CutTransfer,
    /// A replica's connection is reset where a transaction has come in part.
    CutInside,
    /// A connection carries nothing any more.
    HalfOpen,
    /// Two sets of machines do not hear each other.
    Partition,
    /// One does not hear another.
    OneWay,
    /// A process stands still.
    Pause,
    /// A replica is promoted.
    Failover,
    /// A replica is told to follow another node.
    Reparent,
    /// A process is told to end.
    Shutdown,
    /// A machine loses its disk.
    Empty,
    /// BGSAVE.
    Save,
    /// BGREWRITEAOF.
    Rewrite,
    /// CONFIG SET appendonly.
    SwitchAof,
    /// CONFIG SET appendfsync.
    SwitchPolicy,
    /// DEBUG RELOAD.
    Reload,
    /// FLUSHDB of a database that has no logs.
    Flush,
    /// A child dies.
    KillChild,
    /// Each fsync takes long.
    SlowDisk,
    /// Some fsyncs fail.
    FailSync,
    /// There is no room.
    FullDisk,
    /// A bit of a file flips while the machine is down.
    BitFlip,
    /// A wall clock jumps.
    Jump,
}

/// Whether there is an append-only file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// There is.
    Aof,
    /// There is none.
    Dump,
    /// Either.
    Any,
}

/// A mix.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// How it is called.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// The fewest and the most nodes.
    pub nodes: (usize, usize),
    /// What is at rest.
    pub files: Files,
    /// Values of `appendfsync`.
    pub policies: &'static [&'static str],
    /// Whether replicas follow replicas.
    pub chains: bool,
    /// The mean time between two acts, milliseconds.
    pub pause_ms: u64,
    /// What happens, and how often.
    pub acts: &'static [(Act, u64)],
}

const ALL: &[&str] = &["always", "everysec", "no"];

use Act::*;

const PLAIN: Scenario = Scenario {
    name: "calm",
    about: "nothing happens but load",
    nodes: (1, 4),
    files: Files::Any,
    policies: ALL,
    chains: false,
    pause_ms: 1_500,
    acts: &[],
};

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    PLAIN,
    Scenario {
        name: "care",
        about: "what operators do: saves, rewrites, reloads, orderly ends",
        acts: &[
            (Save, 3),
            (Rewrite, 4),
            (Reload, 2),
            (Flush, 2),
            (Shutdown, 2),
            (KillChild, 2),
            (SwitchPolicy, 1),
            (SwitchAof, 1),
        ],
        ..PLAIN
    },
    Scenario {
        name: "kill",
        about: "processes are killed, also within a step on disk",
        acts: &[(Kill, 4), (KillInCall, 3), (Rewrite, 2), (Save, 1), (KillChild, 1)],
        ..PLAIN
    },
    Scenario {
        name: "power",
        about: "machines lose their power",
        files: Files::Aof,
        acts: &[(PowerCut, 4), (Kill, 1), (Rewrite, 2), (Save, 1)],
        ..PLAIN
    },
    Scenario {
        name: "network",
        about: "connections are cut, half-open, late",
        nodes: (2, 4),
        acts: &[(Cut, 5), (CutTransfer, 1), (CutInside, 2), (HalfOpen, 2), (OneWay, 2), (Save, 1)],
        pause_ms: 700,
        ..PLAIN
    },
    Scenario {
        name: "partition",
        about: "machines do not hear each other",
        nodes: (3, 5),
        acts: &[(Partition, 3), (OneWay, 2), (Cut, 2), (Failover, 1)],
        ..PLAIN
    },
    Scenario {
        name: "failover",
        about: "replicas are promoted while others go on writing",
        nodes: (2, 5),
        acts: &[(Failover, 4), (Kill, 1), (Cut, 1), (Reparent, 1), (Pause, 1)],
        ..PLAIN
    },
    Scenario {
        name: "chain",
        about: "replicas of replicas move about",
        nodes: (3, 7),
        chains: true,
        acts: &[(Reparent, 4), (Failover, 2), (Cut, 2), (Kill, 1), (Empty, 1)],
        ..PLAIN
    },
    Scenario {
        name: "disk-full",
        about: "there is no room on disk for a while",
        files: Files::Aof,
        acts: &[(FullDisk, 3), (Rewrite, 2), (Save, 1), (Kill, 1)],
        ..PLAIN
    },
    Scenario {
        name: "slow-disk",
        about: "fsyncs take seconds",
        files: Files::Aof,
        acts: &[(SlowDisk, 3), (Rewrite, 1), (Kill, 1), (PowerCut, 1)],
        ..PLAIN
    },
    Scenario {
        name: "fsync",
        about: "fsyncs fail",
        files: Files::Aof,
        acts: &[(FailSync, 3), (Rewrite, 1), (Kill, 1)],
        ..PLAIN
    },
    Scenario {
        name: "bit-rot",
        about: "bits flip in files at rest",
        nodes: (1, 3),
        acts: &[(BitFlip, 3), (Rewrite, 2), (Save, 2)],
        ..PLAIN
    },
    Scenario {
        name: "clocks",
        about: "wall clocks jump",
        acts: &[(Jump, 4), (Kill, 1), (Cut, 1), (Save, 1)],
        ..PLAIN
    },
    Scenario {
        name: "pause",
        about: "processes stand still for a while",
        nodes: (2, 4),
        acts: &[(Pause, 4), (Cut, 1), (Failover, 1)],
        ..PLAIN
    },
    Scenario {
        name: "mixed",
        about: "everything",
        nodes: (1, 6),
        chains: true,
        pause_ms: 900,
        acts: &[
            (Kill, 3),
            (KillInCall, 2),
            (PowerCut, 2),
            (Cut, 3),
            (CutTransfer, 1),
            (CutInside, 1),
            (HalfOpen, 1),
            (Partition, 2),
            (OneWay, 1),
            (Pause, 1),
            (Failover, 2),
            (Reparent, 2),
            (Shutdown, 1),
            (Empty, 1),
            (Save, 2),
            (Rewrite, 2),
            (SwitchAof, 1),
            (SwitchPolicy, 1),
            (Reload, 1),
            (Flush, 1),
            (KillChild, 1),
            (SlowDisk, 1),
            (FullDisk, 1),
            (BitFlip, 1),
            (Jump, 1),
        ],
        ..PLAIN
    },
];

impl Scenario {
    /// The one of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (at, scenario) in SCENARIOS.iter().enumerate() {
            assert!(SCENARIOS[..at].iter().all(|other| other.name != scenario.name));
            assert!(Scenario::find(scenario.name).is_some() && !scenario.about.is_empty());
        }
        assert!(Scenario::find("nothing").is_none());
    }
}
