// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
	"coracle/internal/testutil/userns"
)

// works is a script that uses most of what touches the disk and the sockets, and
// prints one word for each.
const works = `$C import $TAR bb >/dev/null && $C run --rm --network none bb echo run &&
	$C run -d --name one --network none -v one:/v bb sh -c 'echo log; exec sleep 1000' >/dev/null && $C exec one echo exec &&
	until $C logs one | grep log; do :; done
	printf 'FROM bb\nCOPY x /x\nRUN cat /x\n' >Dockerfile && echo x >x && $C build -q -t built . >/dev/null && $C run --rm --network none built echo built
	$C rm -f one; $C rmi built bb >/dev/null && echo gone`

const worked = "run\nexec\nlog\nbuilt\none\ngone\n"

func (h *host) works(before string) {
	h.t.Helper()
	if r := h.run(before + "\n" + works); r.Out != worked || r.Err != "" || r.Code != 0 {
		h.t.Errorf("%s: %d %s", before, r.Code, r.All())
	}
}

// refuses checks that a command ends with a code, with one line that says why, and
// one that says what can be done.
func (h *host) refuses(r testutil.Result, code int, why, remedy string) {
	h.t.Helper()
	text := strings.TrimSpace(r.Err)
	if r.Code != code || strings.Count(text, "\n") != 1 || !strings.Contains(text, why) || !strings.Contains(text, "\nhint: ") || !strings.Contains(text, remedy) {
		h.t.Errorf("code %d, want %d, and %q, %q:\n%s", r.Code, code, why, remedy, r.All())
	}
}

// Any name may be that of the directories: with spaces, of other letters, with what
// separates options and lists, and longer than the address of a socket may be.
func TestNamesOfDirectories(t *testing.T) {
	for _, name := range []string{"a b", "ä €", "a:b,c", `a\b"c'`, strings.Repeat("x", 210)} {
		h := newHost(t)
		h.write(filepath.Join(name, "f"), "")
		for _, variable := range []string{"HOME", "XDG_RUNTIME_DIR", "TMPDIR"} {
			h.write("there", name)
			h.works(fmt.Sprintf(`export %s="$PWD/$(cat there)"; chmod 700 "$%s"`, variable, variable))
		}
	}
}

// A home that is not there, or cannot be written to, is not needed.
func TestNoHome(t *testing.T) {
	h := newHost(t)
	h.works("unset HOME; export CORACLE_ROOT=$PWD/store")
	h.works("export CORACLE_ROOT=$PWD/store HOME=/nowhere")
	h.write("closed/f", "")
	h.works("chmod 500 closed; export HOME=$PWD/closed CORACLE_ROOT=$PWD/store")
	// Nor need one be named instead: the temporary space is taken, and said to be.
	for _, home := range []string{"export HOME=$PWD/closed", "export HOME=/dev/null", "export HOME=$PWD/closed/x/y"} {
		h.write("tmp/f", "")
		r := h.run("D=$PWD; " + home + "; export TMPDIR=$D/tmp; cd tmp\n" + works + "; ls -A coracle-$(id -u); rm -rf coracle-*")
		if !strings.HasPrefix(r.Out, worked) || !strings.HasSuffix(r.Out, "\nstore\n") || r.Code != 0 {
			t.Errorf("%s: %d %s", home, r.Code, r.All())
		}
		for line := range strings.Lines(r.Err) {
			if !strings.HasPrefix(line, "WARNING: the store is in the temporary space, at "+h.home+"/tmp/coracle-") || !strings.HasSuffix(line, " (see: coracle doctor store)\n") {
				t.Errorf("%s: %s", home, line)
			}
		}
	}
	h.refuses(h.run("mkdir -m 500 none; HOME=$PWD/closed TMPDIR=$PWD/none $C images"), 1, "closed/.local: permission denied", "--root, or CORACLE_ROOT")
	if _, err := os.Stat(filepath.Join(h.home, "closed", ".local")); err == nil {
		t.Error("something was made in a home that is not used")
	}
}

// The name in the shared temporary space may be taken, by whom or what ever.
func TestRunDirectoryTaken(t *testing.T) {
	h := newHost(t)
	for _, c := range []struct{ take, why, remedy string }{
		{"touch $D", "is not a directory", "set XDG_RUNTIME_DIR"},
		{"ln -s / $D", "is not a directory", "set XDG_RUNTIME_DIR"},
		{"mkdir -m 777 $D", "has mode 0777, and others may enter it", "chmod 700"},
		{"chmod 500 tmp", "permission denied", "set XDG_RUNTIME_DIR"},
		{"rmdir tmp", "no such file or directory", "/tmp, where nothing is: unset it, or set XDG_RUNTIME_DIR"},
	} {
		before := "mkdir tmp; D=tmp/coracle-$(id -u); export TMPDIR=$PWD/tmp; " + c.take + "; "
		h.refuses(h.run(before+"$C images; r=$?; chmod -f 700 tmp; rm -rf tmp; exit $r"), 1, c.why, c.remedy)
		h.works(before + "rm -rf run; mkdir -p -m 700 run; export XDG_RUNTIME_DIR=$PWD/run")
		h.run("chmod -f 700 tmp; rm -rf tmp")
	}
	h.works("rm -rf tmp; mkdir tmp; mkdir -m 500 tmp/coracle-$(id -u); export TMPDIR=$PWD/tmp")
	// A directory of the host's root is another user's in a namespace of one id.
	h.refuses(h.spoilt("mkdir -p y/coracle-$(tr -s ' ' </proc/self/uid_map | cut -d ' ' -f 3) && mount --bind /usr y/coracle-*", "TMPDIR=$PWD/y $C images"), 1, "another user", "set XDG_RUNTIME_DIR")
}

// A user who is nobody that the host knows: OpenShift gives every project numbers of
// its own. Numbers go up to 2^32 - 2.
func TestUserWithoutAccount(t *testing.T) {
	for _, uid := range []int{1000650000, 1<<31 + 5, 1<<32 - 2} {
		h := newHost(t)
		as := func(script string) testutil.Result {
			cmd := userns.Command(0, "sh", "-c", script)
			cmd.SysProcAttr.UidMappings[0].ContainerID = uid
			return h.finish(cmd)
		}
		r := as("id -u; export HOME=/ CORACLE_ROOT=$PWD/store; unset CORACLE_SINGLE_ID\n" + works + "; $C run --rm --network none $($C import $TAR) id -u")
		if want := fmt.Sprint(uid) + "\n" + worked + "0\n"; r.Out != want || r.Code != 0 {
			t.Errorf("%d: %d %s", uid, r.Code, r.All())
		}
		rows, _ := doctorOf(t, as("export CORACLE_ROOT=$PWD/store; unset CORACLE_SINGLE_ID; $C doctor --format json"))
		if row := rows["subordinate ids"]; !strings.Contains(row.Found, fmt.Sprintf("uid %d has neither a line in /etc/passwd", uid)) || row.Remedy == "" {
			t.Errorf("%+v", row)
		}
	}
}

// What the caller has closed, or has no room any more, is no reason to hang, to
// die, or to say that all is well.
func TestStreams(t *testing.T) {
	h := newHost(t)
	h.works("exec <&-")
	h.works("unset TERM")
	r := h.run(`$C import $TAR bb >/dev/null
		$C run -i --rm --network none bb cat <&-; echo $?
		$C run -t -i --rm --network none bb true <&- 2>/dev/null; echo $?
		$C run --rm --network none bb ls / >&- 2>&- <&-; echo $?
		$C run --rm --network none bb false 2>&- ; echo $?
		$C run -d --name one --network none bb sleep 1000 >&- 2>&- <&-; echo $?
		$C exec one echo exec; $C rm -f one
		$C images >&-; echo $?
		$C system prune <&- >/dev/null; echo $?`)
	if want := "0\n1\n0\n1\n0\nexec\none\n0\n0\n"; r.Out != want || r.Code != 0 {
		t.Errorf("%s\nwant %s", r.All(), want)
	}
	for _, command := range []string{"images", "version", "save bb", "info", "inspect bb", "doctor", "help", "import $TAR full", "build -q .", "run --rm --network none bb echo hi"} {
		h.write("Dockerfile", "FROM bb\n")
		code := 1
		if strings.HasPrefix(command, "run") {
			code = 125
		}
		if r := h.run("$C " + command + " >/dev/full"); r.Code != code || !strings.Contains(r.Err, "no space left on device") || strings.Count(r.Err, "\n") > 1 {
			t.Errorf("%s: %d %s", command, r.Code, r.All())
		}
	}
}

// Neither the umask that takes everything, nor the one that takes nothing, has a
// say in what is made.
func TestUmask(t *testing.T) {
	for _, mask := range []string{"0777", "0"} {
		h := newHost(t)
		h.works("umask " + mask)
		r := h.run("$C import $TAR bb >/dev/null; umask " + mask + "; $C run --rm --network none -v new:/v bb sh -c 'umask; stat -c %a / /etc /v'; stat -c %a .local/share/coracle")
		if want := "0022\n755\n755\n755\n700\n"; r.Out != want {
			t.Errorf("%s: %s", mask, r.All())
		}
	}
}
