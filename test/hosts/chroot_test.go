// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"os"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// inContainer runs a script in a container as everybody has it, with the program in
// it as $C, busybox as $TAR, and the directory c as /c: there are no namespaces in
// it, and root has the right to change owners and the root directory.
func (h *host) inContainer(options, script string) testutil.Result {
	h.t.Helper()
	h.write("c/script", "C=/coracle TAR=/busybox.tar\n"+script)
	return h.run(`export CORACLE_SINGLE_ID=; $C import $TAR outer >/dev/null && $C run --rm --network none -v $C:/coracle -v $TAR:/busybox.tar -v $PWD/c:/c ` +
		options + ` outer sh /c/script; r=$?; $C rmi outer >/dev/null; $C volume prune -af >/dev/null; exit $r`)
}

// TestBuildInContainer builds where there are no namespaces to be had. What is
// mounted elsewhere is there, and nothing of it in the image; the users and owners
// are what they are, and nothing goes on when a command has ended.
func TestBuildInContainer(t *testing.T) {
	h := newHost(t)
	h.write("c/secret", "sesame\n")
	h.write("c/Dockerfile", `FROM bb AS one
RUN echo made >/made && rm /bin/vi && mkdir /d && touch /d/f && echo changed >/etc/resolv.conf && mkdir -p /a/b && mkdir -m 1777 /t
RUN rm -r /d; (sleep 1000 &); echo null >/dev/null; test -c /dev/null || test -f /dev/null; touch /dev/mine
RUN ! ls /dev/mine
RUN --mount=type=cache,target=/cache/x echo hi >>/cache/x/y
RUN --mount=type=cache,target=/cache/x cp /cache/x/y /cached
RUN --mount=type=bind,target=/a/b cp /a/b/secret /copied && echo no >/a/b/no
RUN --mount=type=secret,id=s grep -q sesame /run/secrets/s
RUN --mount=type=tmpfs,target=/made mkdir /made/x
FROM one
COPY --from=one --chown=7:8 /made /owned
USER 1000:1000
RUN [ $(id -u):$(id -g) = 1000:1000 ] && touch /t/mine && ! touch /etc/theirs
`)
	r := h.inContainer("", `$C import $TAR bb >/dev/null
		$C build -q --secret id=s,src=/c/secret -t built /c >/dev/null || exit 1
		$C build -q --secret id=s,src=/c/secret -o type=tar,dest=/tree.tar /c
		mkdir /tree && tar -xf /tree.tar -C /tree && cd /tree
		ls -d made cached copied t/mine d bin/vi etc/resolv.conf etc/hosts run dev/mine dev/null cache a a/b 2>/dev/null
		find a cache run 2>/dev/null | sort
		cat made cached; stat -c '%u %g %n' owned t/mine made
		ps | grep -c '[s]leep 1000'
		ls -A /root/.local/share/coracle/tmp; ls /c/no 2>/dev/null`)
	// Where a mount was, the directories that were made for it are still there as
	// long as they were the command's own.
	want := "a\na/b\ncached\ncopied\nmade\nt/mine\n" + "a\na/b\n" + "made\nhi\n" + "7 8 owned\n1000 1000 t/mine\n0 0 made\n" + "0\n"
	if r.Out != want || r.Code != 1 { // ls finds no file
		t.Errorf("%d %s\n--- want\n%s", r.Code, r.All(), want)
	}
}

// A store on a file system that could hold an overlay, as in a volume, is one without
// overlayfs all the same, for nothing can be mounted.
func TestVolumeForStoreInContainer(t *testing.T) {
	h := newHost(t)
	h.write("c/Dockerfile", "FROM bb\nRUN echo made >/made\n")
	r := h.inContainer("-v store:/store", `C="$C --root /store/s"
		$C import $TAR bb >/dev/null && $C build -q -t built /c >/dev/null && $C images --format '{{.Repository}}' && $C build -q -o /out /c && cat /out/made`)
	if want := "built\nbb\nmade\n"; r.Out != want || r.Code != 0 {
		t.Errorf("%d %s\n--- want\n%s", r.Code, r.All(), want)
	}
}

// The first thing that is ever done in a store may be a build, as in a job of a CI.
func TestFirstBuildInContainer(t *testing.T) {
	h := newHost(t)
	h.write("c/Dockerfile", "FROM scratch AS base\nADD bb.tar /\nFROM base\nRUN echo built >/built\nCOPY Dockerfile /x\nCOPY --from=base /bin /bin2\n")
	r := h.inContainer("", "mkdir /d; cp /c/Dockerfile /d; cp $TAR /d/bb.tar; $C build -q -o /out /d >/dev/null && cat /out/built")
	if r.Out != "built\n" || r.Code != 0 {
		t.Errorf("%d %s", r.Code, r.All())
	}
}

// What cannot be done there is refused in words, and says what would help.
func TestRefusedInContainer(t *testing.T) {
	h := newHost(t)
	h.write("c/Dockerfile", "FROM bb\nRUN --network=none true\n")
	h.write("c/missing/Dockerfile", "FROM bb\nRUN [\"nothere\"]\n")
	h.write("c/fails/Dockerfile", "FROM bb\nRUN echo before; exit 7\n")
	r := h.inContainer("", `$C import $TAR bb >/dev/null
		$C run --rm bb true 2>&1; echo $?
		$C build /c 2>&1 | grep -q 'there are no network namespaces here' && echo refused
		$C build /c/missing 2>&1 | tail -n 1
		$C build /c/fails 2>&1 | tail -n 1
		$C doctor -q --format '{{.Name}}|{{.State}}|{{.Instead}}' | grep '^user namespaces'; $C doctor >/dev/null; echo $?`)
	testutil.Contains(t, r.Out, "create user namespace", "--security-opt seccomp=unconfined", "\n125\nrefused\n",
		`exec: "nothere": executable file not found in $PATH: exit code: 127`, "exit code: 7", "user namespaces|no|builds whose commands run by chroot")
	if !strings.HasSuffix(r.Out, "\n1\n") {
		t.Errorf("the doctor's code: %s", r.All())
	}
}

// A link of the image leads nowhere out of its tree: not what is put into it for a
// command, nor what is taken out again.
func TestLinksInContainer(t *testing.T) {
	h := newHost(t)
	h.write("c/Dockerfile", `FROM bb
RUN rm -rf /etc /dev && ln -s /outside /etc && ln -s ../../../outside /dev && ln -s /outside /run && mkdir /outside
RUN --mount=type=cache,target=/run/cache --mount=type=bind,target=/etc/bind echo x >/run/cache/f; ls /etc/bind/Dockerfile
RUN ln -sfn /outside /made; ls -A /outside
`)
	r := h.inContainer("", `$C import $TAR bb >/dev/null; mkdir /outside && touch /outside/canary /outside/resolv.conf
		$C build -q -t built /c >/dev/null || exit 1
		find /outside | sort; cat /outside/resolv.conf`)
	if want := "/outside\n/outside/canary\n/outside/resolv.conf\n"; r.Out != want || r.Code != 0 {
		t.Errorf("%d %s\n--- want\n%s", r.Code, r.All(), want)
	}
	if _, err := os.Stat("/outside"); err == nil {
		t.Error("/outside is there")
	}
}

// podman's profile for the container around allows everything but to set a host
// name: the container has the one of the container around, and works.
func TestHostNameInContainer(t *testing.T) {
	h := newHost(t)
	h.write("profile.json", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["sethostname"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}`)
	r := h.inContainer("--hostname around --security-opt seccomp=profile.json", `hostname nobody 2>/dev/null && echo the host name can be set
		$C import $TAR bb >/dev/null
		$C run --rm --network none --hostname inside bb sh -c 'hostname; cat /etc/hostname'
		$C doctor -q --format '{{.Name}} {{.State}}' | grep '^host name'`)
	if want := "around\ninside\nhost name partly\n"; r.Out != want || r.Code != 0 {
		t.Errorf("%d %s\n--- want\n%s", r.Code, r.All(), want)
	}
}

// steps is a script that does what needs no namespaces, and prints one word for each.
const steps = `mkdir -p /tmp/c && printf 'FROM bb\nRUN echo built >/x && cat /x >&2\nCOPY x /y\n' >/tmp/c/Dockerfile && echo x >/tmp/c/x
	$C images -q && echo images; $C import $TAR bb >/dev/null && echo imported; $C build -q -t built /tmp/c >/dev/null && echo built
	$C save -o /tmp/s built && $C rmi built >/dev/null && $C load -q -i /tmp/s; $C rmi built bb >/dev/null && echo gone`

// TestLessInContainer takes from a container what clusters take from theirs: all goes
// on.
func TestLessInContainer(t *testing.T) {
	const all = "images\nimported\nbuilt\nLoaded image: built:latest\ngone\n"
	const outside = "--security-opt seccomp=unconfined --security-opt systempaths=unconfined "
	for _, options := range []string{
		"",
		"--security-opt no-new-privileges",
		"--read-only --tmpfs /tmp --tmpfs /root:exec", // of a file system that the library's trial does not take
		"--read-only --tmpfs /tmp:exec",
		outside,
		outside + "--security-opt no-new-privileges",
		outside + "--read-only --tmpfs /tmp --tmpfs /root:exec",
		outside + "--read-only --tmpfs /tmp",
		outside + "-u 1000 --tmpfs /tmp:mode=1777 -e CORACLE_ROOT=/tmp/r",
		outside + "-u 1000 --cap-drop ALL --tmpfs /tmp:mode=1777 -e CORACLE_ROOT=/tmp/r",
		outside + "-u 1000 --tmpfs /tmp:mode=1777",
		"--privileged",
	} {
		t.Run(options, func(t *testing.T) {
			h := newHost(t)
			if r := h.inContainer(options, steps); r.Out != all || r.Code != 0 {
				t.Errorf("%d %s", r.Code, r.All())
			}
		})
	}
}

// Within a container of one id, whose engine answers for owners and users, builds go on
// by chroot as elsewhere.
func TestBuildInContainerOfOneID(t *testing.T) {
	h := newHost(t)
	h.write("c/Dockerfile", "FROM bb\nRUN echo built >/x\n")
	r := h.run(`$C import $TAR outer >/dev/null && $C run --rm --network none -v $C:/coracle -v $TAR:/busybox.tar -v $PWD/c:/c outer sh -c '
		/coracle import /busybox.tar bb >/dev/null; /coracle build -q /c >/dev/null && echo built'`)
	if r.Out != "built\n" || r.Code != 0 {
		t.Errorf("%d %s", r.Code, r.All())
	}
}

// Root of a container that may mount, but has no user namespaces, mounts nothing where
// others would see it.
func TestNoMountsWithoutNamespaces(t *testing.T) {
	h := newHost(t)
	h.write("c/Dockerfile", "FROM bb\nRUN echo made >/made; ! mount -t tmpfs none /tmp\n")
	for _, kind := range []string{"user", "mnt", "pid"} {
		r := h.inContainer("--privileged", "echo 0 >/proc/sys/user/max_"+kind+`_namespaces; $C import $TAR bb >/dev/null
			cat /proc/self/mountinfo >before; $C build -q /c >/dev/null && echo built; cat /proc/self/mountinfo | diff before -; ls -A /root/.local/share/coracle/tmp`)
		if r.Out != "built\n" {
			t.Errorf("%s: %s", kind, r.All())
		}
	}
}

// On a mount where nothing may be executed that is what a build says, not that a
// program of the image is closed.
func TestBuildWithoutExecution(t *testing.T) {
	h := newHost(t)
	h.write("c/Dockerfile", "FROM bb\nRUN true\n")
	h.write("copy/Dockerfile", "FROM bb\nCOPY Dockerfile /\n")
	r := h.inContainer("--tmpfs /root -v $PWD/copy:/copy", "$C import $TAR bb >/dev/null; $C build -q /copy >/dev/null && echo copied; $C build -q /c")
	if r.Out != "copied\n" || r.Code != 1 {
		t.Errorf("%d %s", r.Code, r.All())
	}
	testutil.Contains(t, r.Err, "the store is on a file system that is mounted noexec\nhint: mount it with exec")
}
