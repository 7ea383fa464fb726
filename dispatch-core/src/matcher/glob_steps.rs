//! The globs that lead on from a node, found by what they begin or end with.

use super::trie::Target;
use crate::topic::Glob;

#[derive(Debug, Clone, Copy)]
struct GlobStep {
    /// The [`head`] of the affix.
    head: u128,
    glob: u32,
    child: Target,
    /// The nearest step before this one whose affix begins this one's affix, as an index in the run.
    shorter: u32,
}

/// All lists of glob steps, one behind the other.
///
/// A list is two runs: globs that begin with a literal, by their prefix, and the others, by their suffix read
/// backwards. Invariant: a run is sorted by these affixes. All affixes that a segment begins with then lie on one
/// chain of `shorter` links, which starts at the last affix that does not sort behind the segment: ten thousand
/// globs `user-1-*`, `user-2-*`, ... cost a binary search, not ten thousand comparisons. Only globs with a
/// wildcard at both ends are compared one by one.
#[derive(Debug, Default)]
pub(super) struct GlobSteps {
    steps: Vec<GlobStep>,
    /// For each list where its runs end; the first one begins where the list before it ends.
    ends: Vec<[u32; 2]>,
}

impl GlobSteps {
    /// The number of no list.
    pub(super) const NONE: u32 = u32::MAX;

    /// Adds a list of (glob, child) and returns its number, [`GlobSteps::NONE`] for an empty list.
    pub(super) fn push(&mut self, list: Vec<(u32, Target)>, globs: &[Glob]) -> u32 {
        if list.is_empty() {
            return Self::NONE;
        }
        let glob = |number: u32| &globs[number as usize];
        let (forward, backward) =
            list.into_iter().partition(|(number, _)| !glob(*number).prefix().is_empty());
        let forward_end = self.push_run(forward, |number| glob(number).prefix().iter());
        let backward_end = self.push_run(backward, |number| glob(number).suffix().iter().rev());
        self.ends.push([forward_end, backward_end]);
        self.ends.len() as u32 - 1
    }

    fn push_run<'a, I>(&mut self, mut run: Vec<(u32, Target)>, affix: impl Fn(u32) -> I) -> u32
    where
        I: Iterator<Item = &'a u8>,
    {
        run.sort_by(|(a, _), (b, _)| affix(*a).cmp(affix(*b)).then(a.cmp(b)));
        let mut chain: Vec<u32> = Vec::new();
        for (index, (number, child)) in run.iter().enumerate() {
            let begins = |shorter: u32| {
                let mut own = affix(*number);
                affix(run[shorter as usize].0).all(|byte| own.next() == Some(byte))
            };
            while chain.pop_if(|last| !begins(*last)).is_some() {}
            let shorter = chain.last().copied().unwrap_or(Self::NONE);
            self.steps.push(GlobStep { head: head(affix(*number)), glob: *number, child: *child, shorter });
            chain.push(index as u32);
        }
        self.steps.len() as u32
    }

    /// Calls `matched` with the child behind every glob of the list that matches the folded segment.
    pub(super) fn for_each_match(
        &self,
        list: u32,
        segment: &[u8],
        globs: &[Glob],
        mut matched: impl FnMut(Target),
    ) {
        // In bounds here and below: the numbers of lists, steps and globs were handed out when they were added.
        let list = list as usize;
        let start = if list == 0 { 0 } else { self.ends[list - 1][1] as usize };
        let [middle, end] = self.ends[list].map(|end| end as usize);
        let (forward, backward) = (&self.steps[start..middle], &self.steps[middle..end]);
        let glob = |step: &GlobStep| &globs[step.glob as usize];
        let mut follow_chain = |run: &[GlobStep], first: u128, starts_behind: &dyn Fn(&Glob) -> bool| {
            let behind =
                |step: &GlobStep| step.head > first || (step.head == first && starts_behind(glob(step)));
            let mut at = run.partition_point(|step| !behind(step)).wrapping_sub(1);
            while let Some(step) = run.get(at) {
                if may_begin(step.head, first) && glob(step).matches_folded(segment) {
                    matched(step.child);
                }
                at = step.shorter as usize;
            }
        };
        if !forward.is_empty() {
            follow_chain(forward, head(segment.iter()), &|glob| glob.prefix() > segment);
        }
        if !backward.is_empty() {
            follow_chain(backward, head(segment.iter().rev()), &|glob| {
                glob.suffix().iter().rev().gt(segment.iter().rev())
            });
        }
    }

    pub(super) fn shrink(&mut self) {
        self.steps.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.steps.capacity() * size_of::<GlobStep>() + self.ends.capacity() * size_of::<[u32; 2]>()
    }
}

/// The first 16 bytes as a number, filled up with zeros; numbers sort like the bytes they come from.
fn head<'a>(bytes: impl Iterator<Item = &'a u8>) -> u128 {
    let mut head = [0; 16];
    head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u128::from_be_bytes(head)
}

/// Whether bytes with the head `whole` may begin with those of the head `affix`. If the affix is no longer than
/// its head, they do.
fn may_begin(affix: u128, whole: u128) -> bool {
    let unused = affix.trailing_zeros() & !7;
    // An empty affix leaves nothing to compare.
    (affix ^ whole).checked_shr(unused).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_scan_finds() {
        let texts = [
            "*",
            "*-x",
            "a*",
            "ab*",
            "ab*c",
            "ab?d",
            "abc*",
            "b?",
            "b*",
            "ba*a",
            "c*",
            "?",
            "??c",
            "a*b*c",
            "*a",
            "*aa",
            "*baa",
            "?a",
            "*b*",
            "*b*a",
            "?b?d",
            "0123456789abcdef*",
            "0123456789abcdefg*",
            "0123456789abcdefh*",
            "*0123456789abcdefg",
            "*x0123456789abcdefg",
            "*y0123456789abcdefg",
        ];
        let globs: Vec<Glob> = texts.into_iter().map(Glob::new).collect();
        let mut steps = GlobSteps::default();
        let list = |from: usize| (from..globs.len()).map(|n| (n as u32, Target::node(n as u32))).collect();
        let lists = [steps.push(list(5), &globs), steps.push(list(0), &globs)];
        assert_eq!(steps.push(Vec::new(), &globs), GlobSteps::NONE);
        for segment in [
            "a",
            "ab",
            "abc",
            "abcd",
            "abd",
            "b",
            "bb",
            "baa",
            "ba",
            "c",
            "z-x",
            "zzc",
            "abaa",
            "aa",
            "!",
            "0123456789abcdefgh",
            "0123456789abcdefg",
            "x0123456789abcdefg",
        ] {
            for (list, from) in lists.into_iter().zip([5, 0]) {
                let mut found = Vec::new();
                steps.for_each_match(list, segment.as_bytes(), &globs, |target| found.push(target));
                let scan = (from..globs.len()).filter(|n| globs[*n].matches_folded(segment.as_bytes()));
                let mut scan: Vec<Target> = scan.map(|n| Target::node(n as u32)).collect();
                let key = |target: &Target| format!("{target:?}");
                found.sort_by_key(key);
                scan.sort_by_key(key);
                assert_eq!(found, scan, "{segment}");
            }
        }
    }
}
