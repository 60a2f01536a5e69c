//! What happened in a simulated world.

/// What happened: a simulation in which nothing goes wrong proves nothing.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    pub committed: u64,
    pub declined: u64,
    pub again: u64,
    pub reads: u64,
    pub ghosts: u64,
    pub lost_answers: u64,
    pub stolen_locks: u64,
    pub lost_ends: u64,
    pub ended_snapshots: u64,
    pub bases: u64,
    pub bootstraps: u64,
    pub left_behind: u64,
}

impl Counts {
    fn fields(&mut self) -> [&mut u64; 12] {
        [
            &mut self.committed,
            &mut self.declined,
            &mut self.again,
            &mut self.reads,
            &mut self.ghosts,
            &mut self.lost_answers,
            &mut self.stolen_locks,
            &mut self.lost_ends,
            &mut self.ended_snapshots,
            &mut self.bases,
            &mut self.bootstraps,
            &mut self.left_behind,
        ]
    }

    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        self.fields().into_iter().zip(other.fields()).for_each(|(sum, more)| *sum += *more);
    }

    pub fn assert_all_happened(&self) {
        let never = self.clone().fields().iter().any(|count| **count < 10);
        assert!(!never, "something hardly ever happened: {self:?}");
    }
}
