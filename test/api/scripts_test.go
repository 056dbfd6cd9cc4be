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
			// A host that is a container itself is no reason to look for the engine elsewhere; and
			// the reaper is an image of a registry that tests do not reach.
			u.env = append(u.env, "NODE_PATH="+modules, "TESTCONTAINERS_HOST_OVERRIDE=localhost", "TESTCONTAINERS_RYUK_DISABLED=true")
			u.works(node, u.script(name))
		})
	}
}

// TestMoby makes every call that Docker's library for Go has.
func TestMoby(t *testing.T) {
	moby := client(t, "moby")
	u := newUser(t)
	u.busybox()
	u.works(moby)
}
