//! Characters that HTML has names for.

/// What is no letter of a language.
const PLAIN: &[(&str, char)] =
    &[("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("nbsp", ' ')];
/// From `¡` on, in order.
const LATIN: &str = "iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 \
    sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute \
    Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH \
    Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig \
    agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc \
    iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute \
    thorn yuml";
/// From `Α` on, in order.
const GREEK: &str = "Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho - Sigma \
    Tau Upsilon Phi Chi Psi Omega - - - - - - - alpha beta gamma delta epsilon zeta eta theta iota \
    kappa lambda mu nu xi omicron pi rho sigmaf sigma tau upsilon phi chi psi omega";
/// All others, and what they stand for.
const OTHERS: &str = "OElig oelig Scaron scaron Yuml fnof circ tilde thetasym upsih piv ensp emsp thinsp zwnj zwj lrm \
    rlm ndash mdash lsquo rsquo sbquo ldquo rdquo bdquo dagger Dagger bull hellip permil prime Prime \
    lsaquo rsaquo oline frasl euro image weierp real trade alefsym larr uarr rarr darr harr crarr \
    lArr uArr rArr dArr hArr forall part exist empty nabla isin notin ni prod sum minus lowast radic \
    prop infin ang and or cap cup int there4 sim cong asymp ne equiv le ge sub sup nsub sube supe \
    oplus otimes perp sdot lceil rceil lfloor rfloor lang rang loz spades clubs hearts diams";
const LETTERS: &str = "ŒœŠšŸƒˆ˜ϑϒϖ\u{2002}\u{2003}\u{2009}\u{200c}\u{200d}\u{200e}\u{200f}–—‘’‚“”„†‡•…‰′″‹›‾⁄€ℑ℘ℜ™ℵ←↑→↓↔↵⇐⇑⇒⇓⇔∀∂∃∅∇∈∉∋∏∑−∗√∝∞∠∧∨∩∪∫∴∼≅≈≠≡≤≥⊂⊃⊄⊆⊇⊕⊗⊥⋅⌈⌉⌊⌋〈〉◊♠♣♥♦";

/// The character of that name.
pub(super) fn named(name: &str) -> Option<char> {
    let at = |names: &str| names.split(' ').position(|known| known == name && known != "-");
    let from = |first: char, names: &str| {
        at(names).and_then(|at| char::from_u32(first as u32 + u32::try_from(at).ok()?))
    };
    let plain = PLAIN.iter().find(|(known, _)| *known == name).map(|(_, letter)| *letter);
    plain
        .or_else(|| from('¡', LATIN))
        .or_else(|| from('Α', GREEK))
        .or_else(|| LETTERS.chars().nth(at(OTHERS)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_their_characters() {
        for (name, letter) in [
            ("amp", '&'),
            ("iexcl", '¡'),
            ("eacute", 'é'),
            ("szlig", 'ß'),
            ("yuml", 'ÿ'),
            ("Alpha", 'Α'),
            ("sigmaf", 'ς'),
            ("omega", 'ω'),
            ("OElig", 'Œ'),
            ("euro", '€'),
            ("rsquo", '’'),
            ("ndash", '–'),
            ("hellip", '…'),
            ("diams", '♦'),
        ] {
            assert_eq!(named(name), Some(letter), "{name}");
        }
        assert_eq!((named(""), named("-"), named("Eacut")), (None, None, None));
        assert_eq!(OTHERS.split(' ').count(), LETTERS.chars().count());
    }
}
