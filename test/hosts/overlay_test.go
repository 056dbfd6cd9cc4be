// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// onOverlay puts a store where overlayfs is, as the root of a container is: it takes
// no upper layer of another overlayfs, and no device 0/0.
const onOverlay = "mkdir l u w m && mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w,userxattr m && mkdir m/store"

// needsNested skips where an overlayfs of users has no room for the attributes of
// another one: that of a container around, made by root, has.
func needsNested(t *testing.T) {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 8 {
		t.Skip("nested attributes are of Linux 6.8")
	}
}

// TestStoreOnOverlay runs, builds, commits and copies where overlayfs is not to be
// had, with files removed and replaced on the way.
func TestStoreOnOverlay(t *testing.T) {
	needsNested(t)
	h := newHost(t)
	h.write("c/x", "hi\n")
	h.write("c/Dockerfile", `FROM bb
RUN echo made >/made && rm /bin/vi && mkdir /d && touch /d/f && chmod 750 /d
RUN rm -r /d && mkdir -p /e/f && ln /made /link
COPY x /e/
`)
	r := h.spoilt(onOverlay, `C="$C --root m/store"
		$C import $TAR bb >/dev/null || exit 1
		$C doctor -q --format '{{.Name}} {{.State}}' | grep ^overlay
		$C build -q -t built c >/dev/null || exit 1
		echo run; $C run --name one --network none built sh -c 'exec 2>&1; cat /made /e/x; ls -d /bin/vi; ls -d /d; stat -c %h /link; rm /made; echo y >/etc/y'
		echo again; $C start -a one
		echo diff; $C diff one
		echo commit; $C commit one two >/dev/null && $C run --rm --network none two sh -c 'cat /etc/y /link; ls /made 2>/dev/null'
		echo copy; echo z >z; $C cp z one:/etc/z && $C diff one | grep z; $C export one | tar t | grep etc/z
		echo live; $C run -d --name live --network none bb sh -c 'echo 1 >/live; echo done; exec sleep 1000' >/dev/null
		until $C logs live | grep -q done; do :; done
		$C diff live; $C commit live three >/dev/null && $C run --rm --network none three cat /live
		$C rm -f live one >/dev/null; ls -A m/store/tmp m/store/containers
		$C rmi built two three bb >/dev/null && find m/store/storage/overlay -name flat`)
	want := `overlay partly
run
made
hi
ls: /bin/vi: No such file or directory
ls: /d: No such file or directory
2
again
cat: can't open '/made': No such file or directory
hi
ls: /bin/vi: No such file or directory
ls: /d: No such file or directory
1
rm: can't remove '/made': No such file or directory
diff
C /etc
A /etc/y
D /made
commit
y
made
copy
A /etc/z
etc/z
live
A /live
1
m/store/containers:

m/store/tmp:
`
	if r.Out != want {
		t.Errorf("%s\n--- want\n%s", r.All(), want)
	}
}

// TestRewrittenTimesOnOverlay has a build whose layers have no time after
// SOURCE_DATE_EPOCH, where a layer is found by comparing, too.
func TestRewrittenTimesOnOverlay(t *testing.T) {
	needsNested(t)
	h := newHost(t)
	h.write("c/x", "hi\n")
	h.write("c/Dockerfile", "FROM bb\nRUN mkdir -p /d/e && echo made >/d/e/f && ln -s f /d/l && rm /bin/vi && touch -d @9 /d/old\nCOPY x /d/\nWORKDIR /w\n")
	r := h.spoilt(onOverlay, `C="$C --root m/store"
		$C import $TAR bb >/dev/null || exit 1
		$C build -q --build-arg SOURCE_DATE_EPOCH=1000 --output type=docker,rewrite-timestamp=true -t built c >/dev/null || exit 1
		$C run --rm --network none built stat -c '%n %Y' /d /d/e /d/e/f /d/l /d/old /d/x /w; $C run --rm --network none built ls /bin/vi`)
	want := "/d 1000\n/d/e 1000\n/d/e/f 1000\n/d/l 1000\n/d/old 9\n/d/x 1000\n/w 1000\n"
	if r.Out != want {
		t.Errorf("%s\nwant %s", r.All(), want)
	}
}
