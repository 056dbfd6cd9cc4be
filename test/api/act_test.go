// SPDX-License-Identifier: Apache-2.0

package api

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// actFlow has what workflows are made of: a service that is waited for, an action that
// is a Dockerfile, files that go from step to step, and a job in a container of its own.
const actFlow = `on: push
defaults: {run: {shell: sh}}
jobs:
  first:
    runs-on: here
    outputs: {said: "${{ steps.one.outputs.word }}"}
    services:
      db:
        image: served:1
        options: --health-cmd "wget -q -O- http://localhost/" --health-interval 1s
        ports: ["PORT:80"]
    steps:
      - uses: actions/checkout@v4
      - run: echo "word=from one" >> $GITHUB_OUTPUT; echo "KEPT=in the environment" >> $GITHUB_ENV
        id: one
      - run: wget -q -O- http://localhost:PORT/; echo "kept $KEPT"; cat file
      - uses: ./.github/actions/mine
        with: {who: somebody}
      - run: cat made
  second:
    needs: first
    runs-on: here
    container: {image: busybox, env: {INSIDE: "yes"}, volumes: ["kept:/kept"]}
    services: {db: {image: served:1}}
    steps:
      - run: echo "second heard ${{ needs.first.outputs.said }}, $INSIDE"; ls -d /kept; until wget -q -O- http://db/; do sleep 0.1; done
`

// TestAct runs workflows of GitHub's as act does.
func TestAct(t *testing.T) {
	act := installed(t, "act")
	u := newUser(t)
	u.busybox()
	if err := os.Mkdir(filepath.Join(u.home, "flow"), 0o755); err != nil {
		t.Fatal(err)
	}
	u.served()
	u.write(testutil.File{Name: "flow/.github/workflows/ci.yml", Text: strings.ReplaceAll(actFlow, "PORT", testutil.FreePort(t))},
		testutil.File{Name: "flow/.github/actions/mine/action.yml", Text: "name: mine\ninputs: {who: {required: true}}\nruns: {using: docker, image: Dockerfile, args: [\"${{ inputs.who }}\"]}\n"},
		testutil.File{Name: "flow/.github/actions/mine/Dockerfile", Text: "FROM busybox\nCOPY does /does\nENTRYPOINT [\"/bin/sh\", \"/does\"]\n"},
		testutil.File{Name: "flow/.github/actions/mine/does", Text: "echo an action for $1; echo made by it > made\n"},
		testutil.File{Name: "flow/file", Text: "a file of the project\n"},
		testutil.File{Name: "fails/ci.yml", Text: "on: push\njobs: {only: {runs-on: here, steps: [{run: exit 3, shell: sh}]}}\n"})
	do := func(more ...string) testutil.Result {
		return u.finish(exec.Command(u.bin, append([]string{"api", "--", act, "push", "-C", filepath.Join(u.home, "flow"), "-P", "here=busybox", "--pull=false", "--rm"}, more...)...))
	}
	r := do()
	if r.Code != 0 {
		t.Fatal(r.All())
	}
	testutil.Contains(t, r.All(), "| served", "| kept in the environment", "| a file of the project", "| an action for somebody", "| made by it", "| second heard from one, yes", "| /kept")
	if r := do("-W", filepath.Join(u.home, "fails/ci.yml")); r.Code != 1 || !strings.Contains(r.All(), "exitcode '3': failure") {
		t.Errorf("%+v", r)
	}
	u.nothingOfJobs()
}
