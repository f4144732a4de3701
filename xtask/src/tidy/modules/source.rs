//! The modules of a crate, read from its sources: what each defines, imports and uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

use crate::error::{During, Failure};

/// A path of modules below the crate's root, which is the empty one.
pub(super) type ModulePath = Vec<String>;

/// One module, without what is for tests alone.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// What it defines itself.
    pub(super) items: BTreeSet<String>,
    /// Every `use`: the name that it brings in (`*` for all) and the path that it names.
    pub(super) imports: Vec<Import>,
    /// Every path in its code, outside of `use`.
    pub(super) paths: BTreeSet<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Vec<String>,
    /// `pub use`, which hands a name on.
    pub(super) is_reexport: bool,
}

impl Module {
    pub(super) fn reexports(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import.is_reexport && import.name == name)
    }
}

pub(super) type Modules = BTreeMap<ModulePath, Module>;

/// The modules of the crate whose root file is `root`.
pub(super) fn modules_below(root: &Path) -> Result<Modules, Failure> {
    let mut modules = Modules::new();
    let folder = root.parent().unwrap_or(root).to_owned();
    read_file(&mut modules, Vec::new(), root, &folder)?;
    Ok(modules)
}

/// Reads `file` as the module `path`, whose children without a body lie in `folder`.
fn read_file(
    modules: &mut Modules,
    path: ModulePath,
    file: &Path,
    folder: &Path,
) -> Result<(), Failure> {
    let during = || format!("reading {}", file.display());
    let text = std::fs::read_to_string(file).during(during())?;
    let syntax = syn::parse_file(&text).during(during())?;
    read_items(modules, path, file, folder, &syntax.items)
}

fn read_items(
    modules: &mut Modules,
    path: ModulePath,
    file: &Path,
    folder: &Path,
    items: &[Item],
) -> Result<(), Failure> {
    let mut module = Module { file: file.to_owned(), ..Module::default() };
    for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
        match item {
            Item::Mod(child) => {
                module.items.insert(child.ident.to_string());
                read_child(modules, &path, file, folder, child)?;
            }
            Item::Use(import) => read_import(&mut module, import),
            item => {
                module.items.extend(name_of(item));
                Paths(&mut module).visit_item(item);
            }
        }
    }
    modules.insert(path, module);
    Ok(())
}

fn read_child(
    modules: &mut Modules,
    parent: &ModulePath,
    file: &Path,
    folder: &Path,
    child: &ItemMod,
) -> Result<(), Failure> {
    let name = child.ident.to_string();
    let mut path = parent.clone();
    path.push(name.clone());
    let below = folder.join(&name);
    if let Some((_, items)) = &child.content {
        return read_items(modules, path, file, &below, items);
    }
    let declared = declared_path(&child.attrs).map(|declared| folder.join(declared));
    let candidates =
        declared.into_iter().chain([folder.join(format!("{name}.rs")), below.join("mod.rs")]);
    match candidates.into_iter().find(|candidate| candidate.is_file()) {
        Some(found) => read_file(modules, path, &found, &below),
        None => Ok(()),
    }
}

/// The file that `#[path = ".."]` names.
fn declared_path(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(literal) = &pair.value else { return None };
    match &literal.lit {
        syn::Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        attribute.meta.require_list().is_ok_and(|list| {
            matches!(list.tokens.to_string().as_str(), "test" | "loom" | "all (test , loom)")
        })
    })
}

fn read_import(module: &mut Module, import: &ItemUse) {
    let is_reexport = !matches!(import.vis, Visibility::Inherited);
    flatten(&import.tree, &mut Vec::new(), &mut |name, path| {
        module.imports.push(Import { name, path, is_reexport });
    });
}

fn flatten(tree: &UseTree, prefix: &mut Vec<String>, add: &mut impl FnMut(String, Vec<String>)) {
    let named = |prefix: &[String], last: String| {
        let mut path = prefix.to_vec();
        if last != "self" || path.is_empty() {
            path.push(last);
        }
        path
    };
    match tree {
        UseTree::Path(tree) => {
            prefix.push(tree.ident.to_string());
            flatten(&tree.tree, prefix, add);
            prefix.pop();
        }
        UseTree::Name(tree) => {
            let path = named(prefix, tree.ident.to_string());
            add(path.last().cloned().unwrap_or_default(), path);
        }
        UseTree::Rename(tree) => {
            add(tree.rename.to_string(), named(prefix, tree.ident.to_string()));
        }
        UseTree::Glob(_) => add("*".into(), prefix.clone()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, prefix, add)),
    }
}

/// Collects every path of an item.
struct Paths<'a>(&'a mut Module);

impl Visit<'_> for Paths<'_> {
    fn visit_path(&mut self, path: &syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string());
        self.0.paths.insert(names.collect());
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, import: &ItemUse) {
        read_import(self.0, import);
    }

    fn visit_item_mod(&mut self, _: &ItemMod) {}

    fn visit_macro(&mut self, invocation: &syn::Macro) {
        self.visit_path(&invocation.path);
        self.read_tokens(invocation.tokens.clone());
    }

    fn visit_item_macro(&mut self, item: &syn::ItemMacro) {
        self.visit_path(&item.mac.path);
        self.read_tokens(item.mac.tokens.clone());
    }
}

impl Paths<'_> {
    /// What a macro is given has no syntax of its own: identifiers with `::` between them are paths.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Group(group) => {
                    self.end_path(&mut path);
                    self.read_tokens(group.stream());
                    colons = 0;
                }
                _ => {
                    self.end_path(&mut path);
                    colons = 0;
                }
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.0.paths.insert(std::mem::take(path));
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
