// SPDX-License-Identifier: Apache-2.0

package api

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"coracle/internal/testutil"
)

// script is a program of testdata, where the user can read it.
func (u *user) script(name string) string {
	u.t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		u.t.Fatal(err)
	}
	u.write(testutil.File{Name: name, Text: string(data)})
	return filepath.Join(u.home, name)
}

// TestPython does what docker-py is used for; the script checks what it gets.
func TestPython(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import docker").Run(); err != nil {
		t.Skip("python3-docker is not installed")
	}
	u := newUser(t)
	u.busybox()
	u.works(python, u.script("client.py"))
}

// TestNode does the same with dockerode, and with testcontainers.
func TestNode(t *testing.T) {
	modules := client(t, "node/node_modules")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	for name, needs := range map[string]string{"dockerode.js": "dockerode", "testcontainers.js": "testcontainers"} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(filepath.Join(modules, needs)); err != nil {
				t.Skipf("%s is not installed", needs)
			}
			u := newUser(t)
			u.busybox()
			u.env = append(u.env, "NODE_PATH="+modules, "TESTCONTAINERS_RYUK_DISABLED=true")
			u.works(node, u.script(name))
		})
	}
}

// TestReaper: what a test leaves behind is removed by testcontainers' reaper, a
// container that mounts the socket, when the test and the socket have gone. Its image
// is of a registry that tests do not reach; here is one that does the same.
func TestReaper(t *testing.T) {
	moby := client(t, "moby")
	for name, do := range map[string]func(t *testing.T, u *user){
		"node": func(t *testing.T, u *user) {
			modules := client(t, "node/node_modules/testcontainers")
			node, err := exec.LookPath("node")
			if err != nil {
				t.Skip("node is not installed")
			}
			u.env = append(u.env, "NODE_PATH="+filepath.Dir(modules), "RYUK_CONTAINER_IMAGE="+reaper)
			u.works(node, u.script("testcontainers.js"))
		},
		"go": func(t *testing.T, u *user) { u.works(client(t, "testcontainers")) },
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			u.busybox()
			u.reaper(moby)
			do(t, u)
			testutil.Eventually(t, "nothing is left but the reaper", func() bool {
				return u.ok("ps", "-q") == "" && u.ok("network", "ls", "-q", "--filter", "type=custom") == "" && u.ok("ps", "-aq", "--filter", "ancestor=busybox") == ""
			})
			if left := u.ok("images", "-q", "tc:1"); left != "" {
				t.Errorf("the image is left: %s", left)
			}
		})
	}
}

// reaper is the name that the library for Go has for its image.
const reaper = "testcontainers/ryuk:0.14.0"

func (u *user) reaper(moby string) {
	u.t.Helper()
	program, err := os.ReadFile(moby)
	if err != nil {
		u.t.Fatal(err)
	}
	u.write(testutil.File{Name: "reaper/moby", Text: string(program), Mode: 0o755},
		testutil.File{Name: "reaper/Dockerfile", Text: "FROM busybox\nCOPY moby /moby\nCMD [\"/moby\", \"reap\"]\n"})
	u.ok("build", "-q", "-t", reaper, filepath.Join(u.home, "reaper"))
}

// TestMoby makes every call that Docker's library for Go has.
func TestMoby(t *testing.T) {
	moby := client(t, "moby")
	u := newUser(t)
	u.busybox()
	u.works(moby)
}

// TestDockertest does what dockertest does, and what dashboards do with the library
// that it is made of.
func TestDockertest(t *testing.T) {
	program := client(t, "dockertest")
	u := newUser(t)
	u.busybox()
	u.served()
	u.works(program)
	u.nothingOfJobs()
}

// TestDive looks at images as dive does.
func TestDive(t *testing.T) {
	dive := installed(t, "dive")
	u := newUser(t)
	u.busybox()
	u.served()
	testutil.Contains(t, u.works(dive, "--ci", "--highestUserWastedPercent", "1", "served:1"), "userWastedPercent: 0 %", "PASS")
}
