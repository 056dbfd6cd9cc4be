// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// says runs what a caller types to docker, a line that a shell reads, and checks what
// it answers by a regular expression.
func (u *user) says(line, want string) string {
	u.t.Helper()
	r := u.finish(exec.Command("sh", "-c", line))
	if r.Code != 0 || !regexp.MustCompile(want).MatchString(r.Out) {
		u.t.Fatalf("%s\n%d, and not like %q: %s", line, r.Code, want, r.All())
	}
	return r.Text()
}

// calledDocker puts a link of that name first in the user's PATH.
func (u *user) calledDocker() {
	u.t.Helper()
	bin := filepath.Join(u.home, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		u.t.Fatal(err)
	}
	if err := os.Symlink(u.bin, filepath.Join(bin, "docker")); err != nil {
		u.t.Fatal(err)
	}
	u.env = append(u.env, "PATH="+bin+":"+os.Getenv("PATH"))
}

// TestGitHubRunner types what GitHub's runner does for a job in a container, with a
// service and an action that is a container (DockerCommandManager.cs of actions/runner).
func TestGitHubRunner(t *testing.T) {
	u := newUser(t)
	u.calledDocker()
	u.busybox()
	u.write(testutil.File{Name: "w/_temp/step.sh", Text: "echo \"step of $GITHUB_JOB in $(pwd)\"; wget -q -O- http://db/\n"},
		testutil.File{Name: "w/_actions/Dockerfile", Text: "FROM busybox\nENTRYPOINT [\"/bin/sh\", \"-c\", \"echo action $INPUT_WHO $0; pwd\"]\n"},
		testutil.File{Name: "served/Dockerfile", Text: "FROM busybox\nRUN mkdir /w && echo served > /w/index.html\nHEALTHCHECK --interval=1s CMD wget -q -O- http://localhost/\nEXPOSE 80\nCMD [\"httpd\", \"-f\", \"-h\", \"/w\"]\n"})
	u.says("docker version --format '{{.Server.APIVersion}}'", `^\d+\.\d+\n$`)
	u.says("docker version --format '{{.Client.APIVersion}}'", `^\d+\.\d+\n$`)
	u.says(`docker ps --all --quiet --no-trunc --filter "label=abc123"`, `^$`)
	u.says(`docker network prune --force --filter "label=abc123"`, ``)
	u.says(`docker network create --label abc123 github_network_1`, `^[0-9a-f]{64}\n$`)
	u.says(`docker build -t abc123:svc -f served/Dockerfile served`, ``)
	db := u.says(`docker create --name db1 --label abc123 --network github_network_1 --network-alias db -p 80 -e "GITHUB_ACTIONS=true" -e CI=true abc123:svc`, `^[0-9a-f]{64}\n$`)
	job := u.says(fmt.Sprintf(`docker create --name job1 --label abc123 --workdir /__w/p/p --network github_network_1 -e "HOME=/github/home" -e GITHUB_ACTIONS=true -v "/var/run/docker.sock":"/var/run/docker.sock" `+
		`-v "%[1]s/w":"/__w" -v "%[1]s/w/_temp":"/__w/_temp" -v "%[1]s/w/_temp/_github_home":"/github/home" --entrypoint "tail" busybox "-f" "/dev/null"`, u.home), `^[0-9a-f]{64}\n$`)
	for _, id := range []string{db, job} {
		u.says("docker start "+id, `^`+id+`\n$`)
		u.says(`docker ps --all --filter id=`+id+` --filter status=running --no-trunc --format "{{.ID}} {{.Status}}"`, `^`+id+` Up `)
	}
	u.says(`docker port `+db, `(?m)^80/tcp -> 0\.0\.0\.0:\d+$`)
	u.says(`docker inspect --format "{{range .Config.Env}}{{println .}}{{end}}" `+job, `(?m)^HOME=/github/home$`)
	testutil.Eventually(t, "the service is healthy", func() bool {
		return u.says(`docker inspect --format="{{if .Config.Healthcheck}}{{print .State.Health.Status}}{{end}}" `+db, ``) == "healthy"
	})
	if got := u.says(`docker inspect --format="{{if .Config.Healthcheck}}{{print .State.Health.Status}}{{end}}" `+job, ``); got != "" {
		t.Errorf("the health of what has no check: %q", got)
	}
	u.says(`GITHUB_JOB=test docker exec -i --workdir /__w/p/p -e GITHUB_JOB -e CI `+job+` sh -e /__w/_temp/step.sh`, `^step of test in /__w/p/p\nserved\n$`)
	u.says(`docker build -t abc123:action -f "w/_actions/Dockerfile" "w/_actions"`, ``)
	u.says(`INPUT_WHO=me docker run --name act1 --label abc123 --workdir /github/workspace --rm -e "INPUT_WHO" -e "HOME" -v "/var/run/docker.sock":"/var/run/docker.sock" -v "$PWD/w":"/github/workspace" --network github_network_1 abc123:action "arg"`,
		`^action me arg\n/github/workspace\n$`)
	u.says(`docker logs --details `+db, ``)
	u.says(`docker rm --force `+job, job)
	u.says(`docker rm --force `+db, db)
	u.says(`docker network rm github_network_1`, `^github_network_1\n$`)
	u.says(`docker ps --all --quiet --no-trunc --filter "label=abc123"`, `^$`)
}

// TestJenkins types what its docker-workflow does for docker.image(…).inside, with the
// ids of the agent's user.
func TestJenkins(t *testing.T) {
	u := newUser(t)
	u.calledDocker()
	u.busybox()
	u.env = append(u.env, "CORACLE_USERNS=keep-id")
	u.write(testutil.File{Name: "work/file", Text: "of the workspace\n"})
	u.says("docker -v", `^Docker version \d+\.\d+`)
	u.says("docker inspect -f . busybox", `^\.\n$`)
	if r := u.result("inspect", "-f", ".", "nosuch"); r.Code != 1 || !strings.Contains(r.Err, "nosuch") {
		t.Errorf("%+v", r)
	}
	dir := filepath.Join(u.home, "work")
	id := u.says(fmt.Sprintf("docker run -t -d -u %d:%d -w %[3]s -v %[3]s:%[3]s:rw,z -v %[3]s@tmp:%[3]s@tmp:rw,z -e A=b -e 'C=d e' busybox cat", os.Getuid(), os.Getgid(), dir), `^[0-9a-f]{64}\n$`)
	u.says("docker top "+id+" -eo pid,comm", `(?m)^PID +COMMAND\n.* cat$`)
	u.says("docker exec --env BUILD_ID=7 --env 'X=y z' "+id+` sh -c 'echo "$A $C $BUILD_ID $X"; cat file; touch made; id -u'`, fmt.Sprintf("^b d e 7 y z\nof the workspace\n%d\n$", os.Getuid()))
	if err := os.Remove(filepath.Join(dir, "made")); err != nil {
		t.Errorf("what was made is not the agent's: %v", err)
	}
	u.says("docker inspect -f '{{.Config.Hostname}}' "+id, "^"+id[:12])
	u.says("docker stop --time=1 "+id, id)
	u.says("docker rm -f --volumes "+id, id)
}
