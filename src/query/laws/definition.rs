//! The meaning of a filter over `members` and their `tags`, by definition: some choice of one row
//! for each path makes the whole true, and a plain condition is about all other rows, too.

use proptest::prelude::*;

use super::Data;

#[derive(Debug, Clone)]
pub enum Tree {
    And(Vec<Tree>),
    Or(Vec<Tree>),
    /// Path 1 is a member's `n`, 2 a tag of that member, 3 the leader's post's `n`.
    Leaf {
        path: usize,
        any: bool,
        value: u8,
    },
}

pub type Choice = [Option<usize>; 4];

pub fn tree() -> impl Strategy<Value = Tree> {
    let leaf = (1..4usize, 0..4u8, 0..3u8).prop_map(|(path, any, value)| Tree::Leaf {
        path,
        any: any != 0,
        value,
    });
    leaf.prop_recursive(3, 10, 3, |inner| {
        let list = proptest::collection::vec(inner, 2..4);
        (list, any::<bool>())
            .prop_map(|(list, and)| if and { Tree::And(list) } else { Tree::Or(list) })
    })
}

pub fn text(tree: &Tree) -> String {
    match tree {
        Tree::And(list) => {
            format!("({})", list.iter().map(text).collect::<Vec<_>>().join(" && "))
        }
        Tree::Or(list) => {
            format!("({})", list.iter().map(text).collect::<Vec<_>>().join(" || "))
        }
        Tree::Leaf { path, any, value } => {
            let op = if *any { "?=" } else { "=" };
            match path {
                1 => format!("members.n {op} {value}"),
                2 => format!("members.tags:each {op} '{}'", ["a", "b", "c"][*value as usize]),
                _ => format!("lead.post_via_by.n {op} {value}"),
            }
        }
    }
}

pub struct Row<'a> {
    pub data: &'a Data,
    pub members: &'a [u8],
    pub posts: Vec<u8>,
}

impl Row<'_> {
    fn choices(&self, path: usize, choice: &Choice) -> Vec<Option<usize>> {
        let count = match path {
            1 => self.members.len(),
            2 => choice[1].map_or(0, |member| self.tags(member).len()),
            _ => self.posts.len(),
        };
        if count == 0 { vec![None] } else { (0..count).map(Some).collect() }
    }

    fn tags(&self, member: usize) -> &[u8] {
        &self.data.people[self.members[member] as usize].2
    }

    fn is(&self, path: usize, choice: &Choice, value: u8) -> bool {
        match path {
            1 => choice[1]
                .is_some_and(|member| self.data.people[self.members[member] as usize].1 == value),
            2 => match (choice[1], choice[2]) {
                (Some(member), Some(tag)) => self.tags(member)[tag] == value,
                _ => false,
            },
            _ => choice[3].is_some_and(|post| self.posts[post] == value),
        }
    }

    /// Whether no row denies it: one that is absent is neither equal nor different.
    fn all(&self, path: usize, value: u8) -> bool {
        let none = [None; 4];
        self.choices(if path == 2 { 1 } else { path }, &none).into_iter().all(|outer| {
            let mut choice = none;
            choice[if path == 2 { 1 } else { path }] = outer;
            if path != 2 {
                return outer.is_none() || self.is(path, &choice, value);
            }
            self.choices(2, &choice).into_iter().all(|inner| {
                choice[2] = inner;
                inner.is_none() || self.is(2, &choice, value)
            })
        })
    }

    fn holds(&self, tree: &Tree, choice: &Choice) -> bool {
        match tree {
            Tree::And(list) => list.iter().all(|tree| self.holds(tree, choice)),
            Tree::Or(list) => list.iter().any(|tree| self.holds(tree, choice)),
            Tree::Leaf { path, any: true, value } => self.is(*path, choice, *value),
            Tree::Leaf { path, any: false, value } => {
                self.is(*path, choice, *value) && self.all(*path, *value)
            }
        }
    }

    pub fn satisfies(&self, tree: &Tree) -> bool {
        let mut choice = [None; 4];
        self.choices(1, &choice.clone()).into_iter().any(|member| {
            choice[1] = member;
            self.choices(2, &choice.clone()).into_iter().any(|tag| {
                choice[2] = tag;
                self.choices(3, &choice.clone()).into_iter().any(|post| {
                    choice[3] = post;
                    self.holds(tree, &choice)
                })
            })
        })
    }
}
