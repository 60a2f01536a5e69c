//! What simulated clients ask, of a store and of the model that says what the answer must be.

use bytes::Bytes;
use imbl::OrdMap;

use crate::store::contract::{COUNT, INDEX, color, index_entry};
use crate::store::{Order, Range, Read, Result};

/// All primary keys and values.
pub type Content = OrdMap<Bytes, Bytes>;
/// What was found: keys and values.
pub type Answer = Vec<(Bytes, Bytes)>;

/// Where everything that happens comes from.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Few keys, prefixes of each other: much is hit again.
    pub fn key(&mut self) -> Vec<u8> {
        let length = self.below(3) as usize;
        let mut key = b"R".to_vec();
        key.extend((0..length).map(|_| b"abc"[self.below(3) as usize]));
        key
    }
}

#[derive(Debug, Clone)]
pub enum Ask {
    Get(Vec<u8>),
    Scan(Range, Order, usize),
    /// The index entries of a color.
    Color(&'static str),
}

pub const COLORS: [&str; 3] = ["red", "green", "blue"];

impl Ask {
    pub fn random(dice: &mut Dice) -> Self {
        match dice.below(4) {
            0 => {
                let order = if dice.below(2) == 0 { Order::Forward } else { Order::Backward };
                Self::Scan(Range::prefix(&dice.key()), order, 1 + dice.below(6) as usize)
            }
            1 => Self::Color(COLORS[dice.below(3) as usize]),
            _ => Self::Get(dice.key()),
        }
    }

    pub fn of(&self, read: &dyn Read) -> Result<Answer> {
        Ok(match self {
            Self::Get(key) => {
                let found = read.get(key)?;
                found.map(|value| (key.clone().into(), value)).into_iter().collect()
            }
            Self::Scan(range, order, limit) => read.scan(range, *order, *limit)?,
            Self::Color(color) => read.scan(&of_color(color), Order::Forward, usize::MAX)?,
        })
    }

    /// What `content` answers.
    pub fn expected(&self, content: &Content) -> Answer {
        let copy = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        match self {
            Self::Get(key) => content.get_key_value(&key[..]).map(copy).into_iter().collect(),
            Self::Scan(range, order, limit) => {
                let inside = content.iter().filter(|(key, _)| is_inside(key, range)).map(copy);
                match order {
                    Order::Forward => inside.take(*limit).collect(),
                    Order::Backward => inside.rev().take(*limit).collect(),
                }
            }
            Self::Color(color) => {
                let range = of_color(color);
                let entries = index(content).into_iter();
                entries.filter(|(key, _)| is_inside(key, &range)).collect()
            }
        }
    }
}

fn of_color(color: &str) -> Range {
    Range::prefix(&[INDEX, color.as_bytes(), b"\0"].concat())
}

fn is_inside(key: &[u8], range: &Range) -> bool {
    key >= &range.from[..] && (range.until.is_empty() || key < &range.until[..])
}

/// Every index entry that `content` ought to have.
fn index(content: &Content) -> Answer {
    let records = content.iter().filter(|(key, _)| key.starts_with(b"R"));
    let entry =
        |(key, value): (&Bytes, &Bytes)| (index_entry(color(value), key).into(), Bytes::new());
    let mut entries: Answer = records.map(entry).collect();
    entries.sort();
    entries
}

/// Everything that a store must hold when its primary keys are `content`.
pub fn whole(content: &Content) -> Answer {
    let mut all: Answer = content.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    all.extend(index(content));
    let records = content.keys().filter(|key| key.starts_with(b"R")).count() as u64;
    all.push((COUNT.into(), Bytes::copy_from_slice(&records.to_be_bytes())));
    all
}
