// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// givenAway gives files away in each of the ways there are, and makes some as a user.
const givenAway = `FROM python AS made
RUN echo app:x:1234:1234::/home/app:/bin/sh >> /etc/passwd && echo daemonx:x:99:99::/:/bin/sh >> /etc/passwd && \
    echo app:x:1234: >> /etc/group && echo grp:x:77: >> /etc/group && mkdir -p /home/app && chown app:app /home/app && \
    echo x > /etc/secret && chown 0:42 /etc/secret
RUN mkdir -p /srv/a/b && touch /srv/a/f /srv/a/g && ln -s f /srv/a/l && mkfifo /srv/a/p && chmod 4755 /srv/a/g && \
    chown -R app:grp /srv/a && chown -h daemonx /srv/a/l && chmod 640 /srv/a/f && install -o app -g grp -m 4750 /bin/ls /srv/inst && \
    tar cf /tmp/x.tar --owner=55 --group=app srv && mkdir /out && tar xf /tmp/x.tar -C /out --same-owner && rm /tmp/x.tar
COPY --chown=app:grp f /copied/deep/f
RUN mv /copied /moved && chmod 2755 /srv/a/b && touch /srv/a/b/grp && chown 0:0 /srv/a/f && \
    python3 -c 'import os; os.chdir("/srv"); os.chown("../srv/inst", 3, -1); f = os.open("/srv", os.O_RDONLY); os.chown("a/g", 11, 12, dir_fd=f, follow_symlinks=False); os.fchown(f, 66, 67)'
USER app
RUN mkdir -p ~/n && echo 1 > ~/n/f && ln -s f ~/n/l && cp ~/n/f ~/n/t && mv ~/n/t ~/n/f && touch /srv/a/b/mine
USER root
RUN python3 -c 'import os; s = os.stat("/etc/secret"); f = os.open("/etc/secret+", os.O_CREAT|os.O_WRONLY); os.fchown(f, s.st_uid, s.st_gid); os.rename("/etc/secret+", "/etc/secret")'
FROM busybox
COPY --from=made /srv /srv
COPY --from=made /moved /home/app /etc/secret /x/
RUN echo change >> /srv/a/inst
`

// TestSingleIDKeepsOwners builds with one id and with many: the layers say the same.
func TestSingleIDKeepsOwners(t *testing.T) {
	u := newUser(t)
	env := u.env
	var lists [2][]string
	for i, extra := range [][]string{{"CORACLE_ROOT=" + u.home + "/many"}, {"CORACLE_ROOT=" + u.home + "/one", "CORACLE_SINGLE_ID=1"}} {
		u.env = append(slices.Clone(env), extra...)
		u.image("python.tar", "python")
		u.image("busybox.tar", "busybox")
		u.write("context/Dockerfile", givenAway)
		u.write("context/f", "f")
		for _, target := range []string{"made", ""} {
			u.ok("build", "-t", "built", "--target", target, u.home+"/context")
			u.ok("save", "-o", u.home+"/built.tar", "built")
			lists[i] = append(lists[i], entries(t, u.home+"/built.tar")...)
		}
		u.ok("run", "--name", "box", "built", "chown", "5:6", "/srv/inst")
		u.ok("cp", "box:/srv/inst", u.home+"/inst") // who copies gets the file
		u.ok("export", "-o", u.home+"/box.tar", "box")
		data, err := os.ReadFile(u.home + "/box.tar")
		if err != nil {
			t.Fatal(err)
		}
		lists[i] = append(lists[i], layer(t, bytes.NewReader(data), "srv/")...)
		u.ok("rm", "box")
		u.ok("system", "prune", "-af") // who tidies up has not all the owners
	}
	if many, one := lists[0], lists[1]; !slices.Equal(many, one) {
		for _, e := range many {
			if !slices.Contains(one, e) {
				t.Errorf("only with many ids: %s", e)
			}
		}
		for _, e := range one {
			if !slices.Contains(many, e) {
				t.Errorf("only with one id: %s", e)
			}
		}
	}
	if !slices.ContainsFunc(lists[1], func(e string) bool { return strings.Contains(e, "home/app/n/f 0 644 1234:1234") }) {
		t.Error("nothing belongs to the user")
	}
}

// seen makes files as several users, and asks whose they are in each of the ways there are.
const seen = `
import os, subprocess
def child(uid, gid, what):
    pid = os.fork()
    if pid == 0:
        os.setgroups([]); os.setgid(gid); os.setuid(uid); what(); os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
def make():
    os.mkdir("/home/d"); os.close(os.open("/home/d/f", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o400)); os.symlink("f", "/home/d/l"); os.mkfifo("/home/d/p")
    with open("/home/d/t", "w") as f: f.write("x")
    os.rename("/home/d/t", "/home/d/moved")
    open("/etc/kept", "a").write("y")
os.mkdir("/home", 0o777) if not os.path.isdir("/home") else None
open("/etc/kept", "w").close()
child(33, 44, make)
os.mkdir("/srv/g"); os.chown("/srv/g", 5, 6); os.chmod("/srv/g", 0o2777)
child(33, 44, lambda: os.mkdir("/srv/g/in"))
who = lambda s: (s.st_uid, s.st_gid)
for p in "/home/d /home/d/f /home/d/l /home/d/p /home/d/moved /etc/kept /srv/g /srv/g/in".split(): print(p, who(os.lstat(p)))
f = os.open("/home/d/f", os.O_RDONLY); d = os.open("/home", os.O_RDONLY); os.chdir("/home/d")
print(who(os.fstat(f)), who(os.stat("d/../d/l", dir_fd=d)), who(os.stat("l")), who(os.stat("../d")), sorted(who(e.stat()) for e in os.scandir(".") if e.name == "f"))
print(subprocess.run(["python3", "-c", "import os; print(os.stat('/home/d/moved').st_uid, os.access('/home/d/f', os.W_OK))"], capture_output=True, text=True).stdout.strip())
`

const seenOutput = `/home/d (33, 44)
/home/d/f (33, 44)
/home/d/l (33, 44)
/home/d/p (33, 44)
/home/d/moved (33, 44)
/etc/kept (0, 0)
/srv/g (5, 6)
/srv/g/in (33, 6)
(33, 44) (33, 44) (33, 44) (33, 44) [(33, 44)]
33 True`

// TestSingleIDShowsOwners makes and looks with one id and with many: the same is seen, also
// by who comes later, and in an image that is made of the container.
func TestSingleIDShowsOwners(t *testing.T) {
	u := newUser(t)
	env := u.env
	for _, extra := range [][]string{{"CORACLE_ROOT=" + u.home + "/many"}, {"CORACLE_ROOT=" + u.home + "/one", "CORACLE_SINGLE_ID=1"}} {
		u.env = append(slices.Clone(env), extra...)
		u.image("python.tar", "python")
		u.image("busybox.tar", "busybox")
		u.ok("run", "-d", "--name", "box", "python", "sleep", "1000")
		if out := u.ok("exec", "box", "python3", "-c", "import os; os.makedirs('/srv', exist_ok=True); os.makedirs('/home', exist_ok=True); os.chmod('/home', 0o777); os.close(os.open('/etc/kept', os.O_CREAT)); os.chmod('/etc/kept', 0o666)\n"+seen); out != seenOutput {
			t.Errorf("%v:\n%s\nwant:\n%s", extra, out, seenOutput)
		}
		u.ok("exec", "-u", "77:78", "box", "python3", "-c", "import os; os.mkdir('/home/late')")
		const look = "import os; print([(os.stat(p).st_uid, os.stat(p).st_gid) for p in ('/home/d/moved', '/home/late')])"
		const want = "[(33, 44), (77, 78)]"
		if out := u.ok("exec", "box", "python3", "-c", look); out != want {
			t.Errorf("%v: seen by another process: %s, want %s", extra, out, want)
		}
		u.ok("restart", "-t", "0", "box")
		if out := u.ok("exec", "box", "python3", "-c", look); out != want {
			t.Errorf("%v: after a restart: %s, want %s", extra, out, want)
		}
		u.ok("commit", "box", "committed")
		if out := u.ok("run", "--rm", "committed", "python3", "-c", look); out != want {
			t.Errorf("%v: in an image of it: %s, want %s", extra, out, want)
		}
		if out := u.ok("run", "--rm", "-u", "1000:1000", "-v", "data:/data", "busybox", "sh", "-c", "touch /tmp/f; ls -ln /tmp/f | cut -c1-40"); !strings.Contains(out, "1000") {
			t.Errorf("%v: busybox says %s", extra, out)
		}
		u.ok("rm", "-f", "box")
		u.ok("system", "prune", "-af") // who tidies up has not all the owners
	}
}

// entries are those of the layers of a saved image above its base.
func entries(t *testing.T, file string) (list []string) {
	t.Helper()
	files := map[string][]byte{}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var m []struct{ Layers []string }
	if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
		t.Fatal(err)
	}
	for i, l := range m[0].Layers[1:] {
		for _, e := range layer(t, bytes.NewReader(files[l]), "") {
			list = append(list, fmt.Sprint(i, " ", e))
		}
	}
	return list
}

// layer lists a tar stream: names, kinds, modes, owners and attributes.
func layer(t *testing.T, r io.Reader, prefix string) (list []string) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			slices.Sort(list)
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(h.Name, prefix) && !strings.Contains(h.Name, ".pyc") {
			list = append(list, fmt.Sprintf("%s %c %o %d:%d", h.Name, h.Typeflag, h.Mode, h.Uid, h.Gid))
		}
		for key := range h.PAXRecords {
			if strings.Contains(key, "override") {
				t.Errorf("%s: the note is in the archive", h.Name)
			}
		}
	}
}
