// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// alone is a script that does all that needs neither namespaces nor root, and ends with
// what is in the image that it has built: owners, modes and what is no file.
const alone = `$C import $TAR bb >/dev/null && echo imported
	mkdir -p /tmp/c/d && cd /tmp/c && echo f >d/f && echo x >x && chmod 750 d
	printf 'FROM bb AS one\nCOPY --chown=7:8 --chmod=0000 x /x\nCOPY --chown=1000 --chmod=0555 d /d\nADD --chmod=4711 x /bin/own\nWORKDIR /d/w\nFROM one\nCOPY --from=one /d /e\nCOPY --from=one /x /d/x\nLABEL a=b\nUSER 7\n' >Dockerfile
	$C build -q -t built . >/dev/null && echo built
	$C save -o /tmp/one built && $C tag built other && $C rmi built other >/dev/null && $C load -q -i /tmp/one && $C save -o /tmp/two built && cmp /tmp/one /tmp/two && echo the same
	$C inspect -f '{{.Config.User}} {{.Config.WorkingDir}} {{.Config.Labels}}' built
	$C build -q -o type=tar,dest=/tmp/t - >/dev/null <<-E && tar -tvf /tmp/t | sort -k 6 | while read mode owner size day time name; do case $name in x|d/*|e/*|bin/own) echo $mode $owner $name;; esac; done
		FROM built
	E
	$C rmi built bb >/dev/null && echo gone; find $CORACLE_ROOT/storage -name f`

const aloneDone = `imported
built
Loaded image: built:latest
the same
7 /d/w map[a:b]
-rws--x--x 0/0 bin/own
dr-xr-xr-x 1000/1000 d/
-r-xr-xr-x 1000/1000 d/f
drwxr-xr-x 0/0 d/w/
---------- 7/8 d/x
drwxr-xr-x 0/0 e/
-r-xr-xr-x 1000/1000 e/f
drwxr-xr-x 0/0 e/w/
---------- 7/8 x
gone
`

// TestAlone builds where there are no namespaces to be had, and no root who could do
// without: a user of a container, or a root without capabilities. RUN is refused in
// words, and so is run.
func TestAlone(t *testing.T) {
	const outside = "--security-opt seccomp=unconfined --security-opt systempaths=unconfined "
	for options, cause := range map[string]string{
		"-u 1000 -e CORACLE_ROOT=/tmp/r": "a seccomp filter around this process",
		"-u 1000650000:0 --cap-drop ALL --security-opt no-new-privileges -e CORACLE_ROOT=/tmp/r": "a seccomp filter around this process",
		"--cap-drop ALL -e CORACLE_ROOT=/tmp/r":                                                  "for images and builds: --cap-add CHOWN,DAC_OVERRIDE,",
		"--cap-drop SYS_CHROOT -e CORACLE_ROOT=/tmp/r":                                           "SYS_CHROOT",
		outside + "--cap-drop ALL -e CORACLE_ROOT=/tmp/r":                                        "a root without CAP_SETFCAP",
	} {
		t.Run(options, func(t *testing.T) {
			h := newHost(t)
			options := "--tmpfs /tmp:mode=1777 " + strings.Replace(options, "1000650000", "12345", 1) // one that the ranges have
			if r := h.inContainer(options, alone); r.Out != aloneDone || r.Err != "" || r.Code != 0 {
				t.Errorf("%d %s\n--- want\n%s", r.Code, r.All(), aloneDone)
			}
			r := h.inContainer(options, `$C import $TAR bb >/dev/null
				printf 'FROM bb\nCOPY f /f\nRUN true\nRUN false\n' >/tmp/Dockerfile; echo f >/tmp/f
				$C build /tmp; echo $?; $C run --rm bb true; echo $?; $C run --rm nowhere.invalid/x; echo $?; $C doctor -q --format '{{.Name}}|{{.State}}|{{.Instead}}' | grep '^user namespaces'`)
			if !strings.HasPrefix(r.Out, "1\n125\n125\nuser namespaces|no|images, and builds of COPY, ADD and metadata") {
				t.Errorf("%d %s", r.Code, r.All())
			}
			testutil.Contains(t, r.Err, "COPY, ADD and metadata only, RUN is refused", "ERROR: failed to build: failed to solve: RUN cannot be carried out here: ", "\nhint: ", cause,
				"(see: coracle doctor user namespaces)\n")
			if strings.Contains(r.Err, "Unable to find image") {
				t.Errorf("an image is looked for that cannot run: %s", r.Err)
			}
			if n := strings.Count(r.Err, "on this host: "); n != 1 {
				t.Errorf("which way is taken is said %d times: %s", n, r.Err)
			}
		})
	}
}

// Where the host has switched user namespaces off, images and builds of files are as in
// a container of somebody else, and the refusal names the switch.
func TestAloneOnHost(t *testing.T) {
	h := newHost(t)
	r := h.spoilt(strings.Replace(noNamespaces, "%", "user", 1), "export CORACLE_ROOT=$PWD/store; mkdir t\n"+strings.ReplaceAll(alone, "/tmp/", "$HOME/t/")+"; cd; $C import $TAR bb >/dev/null; $C run --rm bb true")
	if !strings.HasPrefix(r.Out, "imported\nbuilt\n") || r.Code != 125 {
		t.Errorf("%d %s", r.Code, r.All())
	}
	testutil.Contains(t, r.Err, "create user namespace", "sysctl user.max_user_namespaces=")
}
