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
