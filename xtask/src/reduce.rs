//! From rustc's static library to one object that shows only `spanpin_*`.
//!
//! rustc's own archive cannot be shipped: it defines `rust_eh_personality` and holds COMDAT groups of `core`, both of
//! which collide with any other Rust library in the same program. So all of it is linked into one object, what no
//! `spanpin_*` function needs is dropped, and every other symbol becomes local. The linker and objcopy are those of
//! the Rust toolchain, so other targets need no other tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{self, Project, Result, call, output};

/// The tools of the Rust toolchain.
pub struct Tools {
    lld: PathBuf,
    objcopy: PathBuf,
    libraries: PathBuf,
}

impl Tools {
    pub fn find(project: &Project) -> Result<Self> {
        let sysroot = project.sysroot()?;
        let bin = sysroot.join("lib/rustlib").join(project.host()?).join("bin");
        let (lld, objcopy) = (bin.join("rust-lld"), bin.join("rust-objcopy"));
        for tool in [&lld, &objcopy] {
            if !tool.exists() {
                return Err(format!("{} is missing; use the toolchain rustup installs", tool.display()));
            }
        }
        Ok(Self { lld, objcopy, libraries: sysroot.join("lib") })
    }

    fn lld(&self) -> Command {
        let mut command = Command::new(&self.lld);
        command.env("LD_LIBRARY_PATH", &self.libraries).args(["-flavor", "gnu"]);
        command
    }

    fn objcopy(&self) -> Command {
        let mut command = Command::new(&self.objcopy);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        command
    }
}

/// The two objects of a reduction.
pub struct Reduced {
    /// Everything that is needed, all symbols named. For looking at.
    pub whole: PathBuf,
    /// Only `spanpin_*` visible. For shipping.
    pub object: PathBuf,
}

/// Links `archive` into one object in `folder`.
pub fn reduce(tools: &Tools, archive: &Path, symbols: &[String], folder: &Path) -> Result<Reduced> {
    project::create_folder(folder)?;
    let whole = folder.join("all.o");
    let mut link = tools.lld();
    link.args(["-r", "--gc-sections", "-o"]).arg(&whole);
    for symbol in symbols {
        link.args(["-u", symbol]);
    }
    call(link.arg(archive))?;

    let list = folder.join("symbols.txt");
    project::write(&list, symbols.join("\n").as_bytes())?;
    let object = folder.join("spanpin.o");
    let mut keep = "--keep-global-symbols=".to_owned();
    keep.push_str(&list.display().to_string());
    // Bitcode sections of the precompiled core confuse GNU ar; nobody needs them.
    call(
        tools
            .objcopy()
            .arg(keep)
            .args(["--strip-unneeded", "-R", ".llvmbc", "-R", ".llvmcmd", "-R", ".comment"])
            .arg(&whole)
            .arg(&object),
    )?;
    Ok(Reduced { whole, object })
}

/// The names an object needs from outside.
pub fn undefined(object: &Path) -> Result<Vec<String>> {
    let text = output(Command::new("nm").arg("-u").arg(object))?;
    Ok(text.lines().filter_map(|line| line.trim().strip_prefix("U ")).map(|name| name.trim().to_owned()).collect())
}

/// The names an object shows.
pub fn defined(object: &Path) -> Result<Vec<String>> {
    let text = output(Command::new("nm").args(["-g", "--defined-only"]).arg(object))?;
    let mut names: Vec<String> =
        text.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect();
    names.sort();
    Ok(names)
}
