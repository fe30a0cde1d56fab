//! The C library as files: `build/c` for C programs, `go-bindings/lib` for Go's.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{self, Project, Result, call, output};
use crate::reduce::{self, Tools};
use crate::{package, symbols};

/// What to build.
#[derive(Default)]
pub struct Options {
    target: Option<String>,
    dev: bool,
    no_go: bool,
}

impl Options {
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--dev" => options.dev = true,
                "--no-go" => options.no_go = true,
                "--target" => options.target = Some((*words.next().ok_or("--target needs a target")?).to_owned()),
                other => return Err(format!("archive does not know {other:?}; see cargo xtask help")),
            }
        }
        Ok(options)
    }
}

/// Targets Go programs find a prebuilt archive for, with the folder of each.
const GO_FOLDERS: [(&str, &str); 4] = [
    ("x86_64-unknown-linux-gnu", "linux_amd64"),
    ("aarch64-unknown-linux-gnu", "linux_arm64"),
    ("x86_64-unknown-linux-musl", "linux_amd64_musl"),
    ("aarch64-unknown-linux-musl", "linux_arm64_musl"),
];

/// This machine's target, and every other Linux target whose standard library is installed.
pub fn targets(project: &Project) -> Result<Vec<String>> {
    let host = project.host()?;
    let libraries = project.sysroot()?.join("lib/rustlib");
    let others = GO_FOLDERS.iter().map(|(target, _)| *target).filter(|target| *target != host);
    let (there, missing): (Vec<&str>, Vec<&str>) =
        others.partition(|target| libraries.join(target).join("lib").exists());
    for target in missing {
        println!("{target}: skipped, its standard library is not installed (rustup target add {target})");
    }
    Ok(std::iter::once(host.as_str()).chain(there).map(str::to_owned).collect())
}

/// The archive of each of `targets`.
pub fn all(project: &Project) -> Result<()> {
    let host = project.host()?;
    for target in targets(project)? {
        run_for(project, &Options { target: Some(target), ..Options::default() }, &host)?;
    }
    Ok(())
}

pub fn run(project: &Project, options: &Options) -> Result<()> {
    let host = project.host()?;
    run_for(project, options, &host)
}

fn run_for(project: &Project, options: &Options, host: &str) -> Result<()> {
    let target = options.target.as_deref().unwrap_or(host);
    if !target.contains("-linux-") {
        return Err(format!("no archive for {target}: only Linux targets are reduced so far"));
    }
    let tools = Tools::find(project)?;
    let names = symbols::names(project)?;
    let profile = if options.dev { "capi-dev" } else { "capi" };
    let raw = build(project, target, profile, None)?;
    let reduced = reduce::reduce(&tools, &raw, &names, &project.target_dir.join("reduce").join(target).join(profile))?;
    let shown = reduce::defined(&reduced.object)?;
    if shown != names {
        return Err(format!("{} shows {shown:?} and should show {names:?}", reduced.object.display()));
    }

    let mut folder = project.path(if options.dev { "build/c-dev" } else { "build/c" });
    if target != host {
        folder.as_mut_os_string().push("-");
        folder.as_mut_os_string().push(target);
    }
    let archive = folder.join("lib/libspanpin.a");
    pack(&reduced.object, &archive)?;
    package::write(project, &folder)?;
    if target == host {
        shared(&archive, &folder.join("lib"))?;
    }
    println!("{}: {} KB", relative(project, &archive), kilobytes(&archive)?);

    if !options.dev
        && !options.no_go
        && let Some((_, name)) = GO_FOLDERS.iter().find(|(name, _)| *name == target)
        && project.path("go-bindings").exists()
    {
        let copy = project.path("go-bindings/lib").join(name).join("libspanpin.a");
        project::create_folder(copy.parent().unwrap_or(&copy))?;
        // Written beside and renamed, so that a Go build never sees half of it.
        let fresh = copy.with_extension("a.new");
        std::fs::copy(&archive, &fresh).map_err(|e| format!("{}: {e}", fresh.display()))?;
        std::fs::rename(&fresh, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
        println!("{}", relative(project, &copy));
    }
    Ok(())
}

/// rustc's archive for a target. Built in a call of its own: next to any crate with std cargo would give the core
/// its std feature, and the two panic handlers would collide.
pub fn build(project: &Project, target: &str, profile: &str, flags: Option<&str>) -> Result<PathBuf> {
    let target_dir = match flags {
        // Other flags build everything anew, so they get a folder of their own.
        Some(_) => project.target_dir.join("prove"),
        None => project.target_dir.clone(),
    };
    let mut command = project.cargo();
    command.env("CARGO_TARGET_DIR", &target_dir);
    command.args(["build", "-q", "-p", "spanpin-static", "--profile", profile, "--target", target]);
    if let Some(flags) = flags {
        command.env("RUSTFLAGS", flags);
    }
    call(&mut command)?;
    Ok(target_dir.join(target).join(profile).join("libspanpin_static.a"))
}

fn pack(object: &Path, archive: &Path) -> Result<()> {
    project::create_folder(archive.parent().unwrap_or(archive))?;
    if archive.exists() {
        std::fs::remove_file(archive).map_err(|e| format!("{}: {e}", archive.display()))?;
    }
    // D: no dates, no owners; equal sources give equal bytes.
    call(Command::new("ar").arg("rcsD").arg(archive).arg(object))
}

/// The shared library, from the archive: a cdylib of rustc's would show more symbols and carry no soname.
fn shared(archive: &Path, folder: &Path) -> Result<()> {
    let map = folder.join("spanpin.map");
    project::write(&map, b"{ global: spanpin_*; local: *; };\n")?;
    let library = folder.join("libspanpin.so.0");
    let mut link = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    // With the start files of the compiler: they take the handler of forks out when the library is unloaded.
    link.args(["-shared", "-Wl,-soname,libspanpin.so.0", "-Wl,--gc-sections", "-Wl,-z,defs"]);
    link.args(["-Wl,-z,relro,-z,now", "-Wl,--build-id=none"]);
    link.arg(format!("-Wl,--version-script={}", map.display()));
    link.arg("-Wl,--whole-archive").arg(archive).arg("-Wl,--no-whole-archive");
    call(link.arg("-o").arg(&library))?;
    std::fs::remove_file(&map).map_err(|e| format!("{}: {e}", map.display()))?;
    let short = folder.join("libspanpin.so");
    let _ = std::fs::remove_file(&short);
    std::os::unix::fs::symlink("libspanpin.so.0", &short).map_err(|e| format!("{}: {e}", short.display()))?;

    let text = output(Command::new("nm").args(["-D", "--defined-only"]).arg(&library))?;
    let foreign: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|name| !name.starts_with("spanpin_"))
        .collect();
    if foreign.is_empty() { Ok(()) } else { Err(format!("{} shows {foreign:?}", library.display())) }
}

fn kilobytes(file: &Path) -> Result<u64> {
    let bytes = std::fs::metadata(file).map_err(|e| format!("{}: {e}", file.display()))?.len();
    Ok(bytes.div_ceil(1024))
}

fn relative(project: &Project, path: &Path) -> String {
    path.strip_prefix(&project.root).unwrap_or(path).display().to_string()
}
