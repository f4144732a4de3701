//! Names that tell an engineer nothing. docs/style.md has the words to use.

use syn::visit::{self, Visit};
use syn::{Ident, ImplItemConst, ImplItemFn, ItemConst, ItemEnum, ItemFn, ItemMod};
use syn::{ItemStatic, ItemStruct, ItemTrait, ItemType, TraitItemFn};

/// Whole names, in snake case.
const WORDS: [&str; 34] = [
    "absence",
    "absorb",
    "again",
    "anew",
    "apart",
    "astray",
    "beat",
    "bell",
    "born",
    "conceive",
    "fate",
    "flavour",
    "held",
    "hurry",
    "learn",
    "look",
    "look_at",
    "look_up",
    "nap",
    "news",
    "nobody",
    "overtime",
    "parcel",
    "patience",
    "prompt",
    "said",
    "says",
    "surround",
    "taken",
    "tell",
    "told",
    "turn_away",
    "turned_away",
    "vital",
];

/// First words of constants. A bound begins with `MAX_` or `MIN_`, a time ends in `_TIMEOUT` or `_INTERVAL`.
const PREFIXES: [&str; 11] = [
    "between", "coarsest", "deepest", "fewest", "finest", "largest", "longest", "most", "slowest",
    "usual", "worth",
];

/// One line for each item of a source file whose name docs/style.md rejects.
pub(crate) fn breaches(file: &str, source: &str) -> Vec<String> {
    let Ok(syntax) = syn::parse_file(source) else { return Vec::new() };
    let mut names = Names::default();
    names.visit_file(&syntax);
    let rejected = names.rejected.iter();
    rejected.map(|name| format!("{file}: `{name}` is rejected by docs/style.md")).collect()
}

#[derive(Default)]
struct Names {
    rejected: Vec<String>,
}

impl Names {
    fn check(&mut self, name: &Ident) {
        let name = name.to_string();
        if WORDS.contains(&snake_case(&name).as_str()) {
            self.rejected.push(name);
        }
    }

    fn check_constant(&mut self, name: &Ident) {
        self.check(name);
        let name = name.to_string();
        let first = name.split('_').next().unwrap_or_default().to_ascii_lowercase();
        let is_letter = name.len() == 1 && name != "_";
        if is_letter || PREFIXES.contains(&first.as_str()) {
            self.rejected.push(name);
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.check(&item.sig.ident);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.check(&item.sig.ident);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.check(&item.sig.ident);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.check(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.check(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.check(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        self.check(&item.ident);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.check(&item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        self.check_constant(&item.ident);
    }

    fn visit_impl_item_const(&mut self, item: &'ast ImplItemConst) {
        self.check_constant(&item.ident);
    }

    fn visit_item_static(&mut self, item: &'ast ItemStatic) {
        self.check_constant(&item.ident);
    }
}

/// `TurnedAway` as `turned_away`, `NAP` as `nap`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut after_lower = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = character.is_ascii_lowercase();
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejected_words_are_found_among_items_of_each_kind_alone() {
        let source =
            "const NAP: u8 = 1; const H: u8 = 1; const _: u8 = 1; static MOST_BYTES: u8 = 1;
            struct TurnedAway; enum News {} mod anew { fn tell(told: u8) { let fate = told; } }
            fn tells<const N: usize>() {} impl X { const LONGEST: u8 = 1; fn look_up(&self) {} }
            const MAX_BYTES: u8 = 1; struct Look2; thread_local! { static BELL: u8 = 1 }";
        let expected =
            ["NAP", "H", "MOST_BYTES", "TurnedAway", "News", "anew", "tell", "LONGEST", "look_up"];
        let expected = expected.map(|name| format!("a.rs: `{name}` is rejected by docs/style.md"));
        assert_eq!(breaches("a.rs", source), expected);
    }
}
