// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"coracle/pkg/state"
)

// places are a root and a temporary directory of the test's own.
func places(t *testing.T) (root, tmp string) {
	t.Helper()
	root, tmp = filepath.Join(t.TempDir(), "root"), t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", tmp)
	return root, tmp
}

func TestL9_EverythingIsPrivate(t *testing.T) {
	root, _ := places(t)
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	d, err := state.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, top := range []string{d.Root, filepath.Dir(d.Run)} {
		err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestL9_RunDirectoryOfSomebodyElseIsRefused(t *testing.T) {
	uid := strconv.Itoa(os.Geteuid())
	for name, make := range map[string]func(t *testing.T, dir string){
		"open to others": func(t *testing.T, dir string) {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		},
		"link": func(t *testing.T, dir string) {
			if err := os.Symlink(t.TempDir(), dir); err != nil {
				t.Fatal(err)
			}
		},
		"file": func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"foreign": func(t *testing.T, dir string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(dir, 54321, 54321); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, tmp := places(t)
			dir := filepath.Join(tmp, "coracle-"+uid)
			make(t, dir)
			_, err := state.Open(root)
			var remedy interface{ Hint() string }
			if !errors.As(err, &remedy) || !strings.Contains(remedy.Hint(), "XDG_RUNTIME_DIR") || !strings.Contains(err.Error(), "use run directory: "+dir) {
				t.Errorf("error: %v", err)
			}
			if name == "foreign" && !strings.HasSuffix(err.Error(), "belongs to uid 54321, not to uid "+uid) {
				t.Errorf("error: %v", err)
			}
		})
	}
}

func TestRunDirectoryPrefersXDG(t *testing.T) {
	root, tmp := places(t)
	xdg := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", xdg)
	if err := os.Chmod(xdg, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := state.Open(root)
	if err != nil || !strings.HasPrefix(d.Run, tmp) {
		t.Errorf("with an XDG_RUNTIME_DIR that others can enter: %s, %v", d.Run, err)
	}
	if err := os.Chmod(xdg, 0o700); err != nil {
		t.Fatal(err)
	}
	one, err := state.Open(root)
	if err != nil || !strings.HasPrefix(one.Run, xdg) {
		t.Errorf("%s, %v", one.Run, err)
	}
	again, err := state.Open(root)
	if err != nil || again != one {
		t.Errorf("the same root: %s, then %s, %v", one.Run, again.Run, err)
	}
	other, err := state.Open(root + "2")
	if err != nil || other.Run == one.Run {
		t.Errorf("two roots share %s, %v", other.Run, err)
	}
}

func TestRootDirectory(t *testing.T) {
	_, tmp := places(t)
	t.Setenv("HOME", filepath.Join(tmp, "home"))
	t.Setenv("XDG_DATA_HOME", "not/absolute")
	t.Setenv("CORACLE_ROOT", "")
	check := func(flag, want string) {
		t.Helper()
		if d, err := state.Open(flag); err != nil || d.Root != want {
			t.Errorf("root %s, want %s: %v", d.Root, want, err)
		}
	}
	check("", filepath.Join(tmp, "home/.local/share/coracle"))
	t.Setenv("XDG_DATA_HOME", filepath.Join(tmp, "xdg"))
	check("", filepath.Join(tmp, "xdg/coracle"))
	t.Setenv("CORACLE_ROOT", filepath.Join(tmp, "env"))
	check("", filepath.Join(tmp, "env"))
	check(filepath.Join(tmp, "a b ü"), filepath.Join(tmp, "a b ü"))
	t.Setenv("CORACLE_ROOT", "")
	t.Setenv("XDG_DATA_HOME", "")
}

func TestHome(t *testing.T) {
	account, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	for _, none := range []string{"", "/", "not/absolute"} {
		t.Setenv("HOME", none)
		if home, err := state.Home(); err == nil && home != account.HomeDir {
			t.Errorf("HOME=%q: %s, want %s", none, home, account.HomeDir)
		}
	}
	ours := t.TempDir()
	t.Setenv("HOME", ours)
	if home, err := state.Home(); err != nil || home != ours {
		t.Errorf("%s, %v, want %s", home, err, ours)
	}
	if os.Geteuid() != 0 {
		return
	}
	// What sudo kept.
	if err := os.Chown(ours, 54321, 54321); err != nil {
		t.Fatal(err)
	}
	if home, err := state.Home(); err != nil || home != account.HomeDir {
		t.Errorf("another user's: %s, %v, want %s", home, err, account.HomeDir)
	}
	t.Setenv("XDG_DATA_HOME", filepath.Join(ours, "share"))
	t.Setenv("CORACLE_ROOT", "")
	state.SettleHome()
	if os.Getenv("HOME") != account.HomeDir {
		t.Errorf("HOME is %s", os.Getenv("HOME"))
	}
}

// TestRootThatOthersMayWrite refuses what somebody else may have filled.
func TestRootThatOthersMayWrite(t *testing.T) {
	for mode, ok := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o775: true, 0o777: false, 0o757: false} {
		root, _ := places(t)
		if err := errors.Join(os.Mkdir(root, 0o700), os.Chmod(root, mode)); err != nil {
			t.Fatal(err)
		}
		_, err := state.Open(root)
		if (err == nil) != ok {
			t.Errorf("empty, mode %o: %v", mode, err)
		}
		if st, err := os.Stat(root); ok && (err != nil || st.Mode().Perm()&0o022 != 0) {
			t.Errorf("mode %o became %o", mode, st.Mode())
		}
	}
	root, _ := places(t)
	if _, err := state.Open(root); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o770); err != nil {
		t.Fatal(err)
	}
	var remedy interface{ Hint() string }
	if _, err := state.Open(root); !errors.As(err, &remedy) || !strings.Contains(remedy.Hint(), "chmod go-w") {
		t.Errorf("a group may write to a root in use: %v", err)
	}
}
