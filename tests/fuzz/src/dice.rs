//! Random inputs that can be repeated: heaps of words, and examples with words put in and taken out.

pub const FILTER_WORDS: &[&str] = &[
    "a",
    "n",
    "@request.auth.id",
    "@collection.c:x.y",
    "a.b_via_c.d",
    "a:each",
    "a:length",
    "a:lower",
    "'",
    "\"",
    "\\'",
    "'x'",
    "'é🎉'",
    "null",
    "TRUE",
    "1",
    "-1.5",
    "123456789012345678901234567890",
    "1.0000000000000000001",
    "=",
    "!=",
    "?=",
    ">",
    "?<=",
    "~",
    "?!~",
    "&&",
    "||",
    "(",
    ")",
    ",",
    ".",
    ":",
    "@now",
    "@todayStart",
    "geoDistance(",
    "strftime('%Y',",
    "// c\n",
    "\n",
    "\t",
    " ",
    "\0",
    "\u{202e}",
];
pub const INDEX_WORDS: &[&str] = &[
    "CREATE",
    "UNIQUE",
    "INDEX",
    "IF NOT EXISTS",
    "ON",
    "WHERE",
    "AND",
    "or",
    "IS",
    "NOT",
    "NULL",
    "COLLATE",
    "NOCASE",
    "BINARY",
    "ASC",
    "DESC",
    "`",
    "\"",
    "[",
    "]",
    "'",
    "''",
    "a",
    "`b c`",
    "\"d\"\"e\"",
    "[f]",
    "'it''s'",
    "(",
    ")",
    ",",
    ";",
    ".",
    "=",
    "==",
    "<>",
    "<=",
    "-",
    "1",
    "1.",
    "1.5",
    "true",
    "--x\n",
    "/*",
    "*/",
    " ",
    "\n",
    "é",
];
pub const VIEW_WORDS: &[&str] = &[
    "SELECT",
    "id",
    "FROM",
    "things",
    "users",
    "t",
    "t.",
    "AS",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "count(*)",
    "sum(",
    "min(",
    "avg(n)",
    "CAST(",
    "AS REAL)",
    "coalesce(",
    "AND",
    "OR",
    "NOT",
    "IS NULL",
    "BETWEEN",
    "IN (",
    "LIKE",
    "(",
    ")",
    ",",
    "*",
    "+",
    "-",
    "/",
    "%",
    "||",
    "=",
    "<",
    "<>",
    "1",
    "0",
    "1e308",
    "-9223372036854775808",
    "'x'",
    "NULL",
    "true",
    "n",
    "text",
    "DISTINCT",
    "UNION",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    ";",
    "--",
    " ",
    "owner",
    "some",
];
pub const RECORD_WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"text\"",
    "\"n\"",
    "\"n+\"",
    "\"n-\"",
    "\"some\"",
    "\"+some\"",
    "\"some+\"",
    "\"some-\"",
    "\"one\"",
    "\"d\"",
    "\"j\"",
    "\"g\"",
    "\"mail\"",
    "\"link\"",
    "\"body\"",
    "\"owner\"",
    "\"owners+\"",
    "\"id\"",
    "\"text:autogenerate\"",
    "\"flag\"",
    "\"lon\"",
    "\"lat\"",
    "null",
    "true",
    "1",
    "-0.0",
    "1e400",
    "1e308",
    "5e-324",
    "\"a\"",
    "\"1e3\"",
    "\"[\\\"a\\\"]\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u0000\"",
    "\"2024-02-30\"",
    "\"2024-01-02T03:04:05+14:00\"",
    "\"9999-12-31 23:59:59.999Z\"",
    "\"x@y.zz\"",
    "\"http://a\"",
    " ",
];

/// Chance that can be repeated.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most.max(1)
    }

    /// A heap of words, or one of the examples with a few of them put in, taken out and cut.
    pub fn input(&mut self, name: &str, words: &[&str]) -> Vec<u8> {
        let examples = examples(name);
        let mut parts: Vec<&str> = Vec::new();
        if self.below(4) > 0 {
            parts = examples[self.below(examples.len())].split_inclusive(' ').collect();
            for _ in 0..self.below(5) {
                let at = self.below(parts.len() + 1);
                match self.below(3) {
                    0 if at < parts.len() => drop(parts.remove(at)),
                    _ => parts.insert(at, words[self.below(words.len())]),
                }
            }
        } else {
            for _ in 0..self.below(24) {
                parts.push(words[self.below(words.len())]);
                if self.below(3) > 0 {
                    parts.push(" ");
                }
            }
        }
        let mut bytes = parts.concat().into_bytes();
        if self.below(10) == 0 && !bytes.is_empty() {
            let at = self.below(bytes.len());
            bytes[at] = self.below(256) as u8;
        }
        bytes
    }
}

fn examples(name: &str) -> &'static [&'static str] {
    match name {
        "filter" => &[
            "a = 'x' && ( n > 1 || b.c ?~ \"y\" )",
            "@request.auth.id != '' && owner = @request.auth.id // who \n && d >= @todayStart",
            "geoDistance( g.lon , g.lat , 1.5 , -2 ) < 3 || strftime( '%Y' , d ) = '2024'",
            "@collection.posts:x.author ?= id && tags:each != 'a' && tags:length > 2",
        ],
        "index" => &[
            "CREATE UNIQUE INDEX `i` ON `t` ( `a` COLLATE NOCASE DESC , b ) WHERE `a` != '' AND ( b IS NOT NULL OR c >= -1.5 )",
            "create index if not exists \"i\" on [t] ( a asc ) ;",
        ],
        "view" => &[
            "SELECT id , n + 1 AS more FROM things WHERE n > 0 ORDER BY n DESC LIMIT 2",
            "SELECT t.owner AS id , count(*) AS total , avg( t.n ) AS mean FROM things AS t LEFT JOIN users AS u ON u.id = t.owner GROUP BY t.owner",
            "SELECT id , CAST( text AS REAL ) AS r , coalesce( n , 1 ) AS c FROM things",
        ],
        _ => &[
            "{ \"text\" : \"a\" , \"n\" : 1.5 , \"some\" : [ \"a\" , \"b\" ] , \"one\" : \"b\" , \"flag\" : true , \"d\" : \"2024-01-02\" }",
            "{ \"j\" : { \"a\" : [ 1 , null ] } , \"g\" : { \"lon\" : 1 , \"lat\" : 2 } , \"mail\" : \"a@b.cc\" , \"n+\" : 2 , \"some+\" : \"c\" }",
        ],
    }
}
