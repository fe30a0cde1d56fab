//! What lies beside the library: headers, the pkg-config file and the CMake package. All paths in them are relative
//! to themselves, so the folder may be moved.

use std::path::Path;

use crate::project::{self, Project, Result};
use crate::versions;

/// Writes the files into a folder that has, or gets, `lib`.
pub fn write(project: &Project, folder: &Path) -> Result<()> {
    for header in ["spanpin.h", "spanpin_layout.h"] {
        let text = project::read(&project.path("c-api/include").join(header))?;
        project::write(&folder.join("include").join(header), text.as_bytes())?;
    }
    let version = versions::workspace(project)?.text;
    project::write(&folder.join("lib/pkgconfig/spanpin.pc"), PKG_CONFIG.replace("@VERSION@", &version).as_bytes())?;
    let cmake = folder.join("lib/cmake/spanpin");
    project::write(&cmake.join("spanpin-config.cmake"), CMAKE.as_bytes())?;
    project::write(&cmake.join("spanpin-config-version.cmake"), CMAKE_VERSION.replace("@VERSION@", &version).as_bytes())
}

const PKG_CONFIG: &str = "\
prefix=${pcfiledir}/../..
libdir=${prefix}/lib
includedir=${prefix}/include

Name: spanpin
Description: Histograms and counters whose buckets keep the trace of a request
Version: @VERSION@
Cflags: -I${includedir}
Libs: -L${libdir} -lspanpin
";

const CMAKE: &str = "\
# Targets: spanpin::static and spanpin::shared. Both need nothing but the C library.
get_filename_component(_spanpin_prefix \"${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)

foreach(_spanpin_kind STATIC SHARED)
  string(TOLOWER ${_spanpin_kind} _spanpin_name)
  if(_spanpin_kind STREQUAL STATIC)
    set(_spanpin_file \"${_spanpin_prefix}/lib/libspanpin.a\")
  else()
    set(_spanpin_file \"${_spanpin_prefix}/lib/libspanpin.so.0\")
  endif()
  if(EXISTS \"${_spanpin_file}\" AND NOT TARGET spanpin::${_spanpin_name})
    add_library(spanpin::${_spanpin_name} ${_spanpin_kind} IMPORTED)
    set_target_properties(spanpin::${_spanpin_name} PROPERTIES
      IMPORTED_LOCATION \"${_spanpin_file}\"
      INTERFACE_INCLUDE_DIRECTORIES \"${_spanpin_prefix}/include\")
    if(_spanpin_kind STREQUAL SHARED)
      set_target_properties(spanpin::shared PROPERTIES IMPORTED_SONAME libspanpin.so.0)
    endif()
  endif()
endforeach()

unset(_spanpin_prefix)
unset(_spanpin_kind)
unset(_spanpin_name)
unset(_spanpin_file)
";

const CMAKE_VERSION: &str = "\
set(PACKAGE_VERSION \"@VERSION@\")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
";
