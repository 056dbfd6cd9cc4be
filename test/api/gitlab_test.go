// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"coracle/internal/testutil"
)

// gitlab is as much of a GitLab server as its runner needs for a job.
type gitlab struct {
	job any

	mu     sync.Mutex
	asked  bool
	trace  strings.Builder
	status string // what the server says of the job: "running", or "canceled"
	end    struct {
		State         string `json:"state"`
		FailureReason string `json:"failure_reason"`
		ExitCode      int    `json:"exit_code"`
	}
}

func (g *gitlab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Job-Status", g.status)
	switch r.Method + " " + r.URL.Path {
	case "POST /api/v4/jobs/request":
		if g.asked {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		g.asked = true
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(g.job)
	case "PATCH /api/v4/jobs/1/trace":
		g.trace.Write(body)
		w.Header().Set("Range", fmt.Sprintf("0-%d", g.trace.Len()))
		w.WriteHeader(http.StatusAccepted)
	case "PUT /api/v4/jobs/1":
		_ = json.Unmarshal(body, &g.end)
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// said is what the job has printed until now.
func (g *gitlab) said() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trace.String()
}

func (g *gitlab) cancel() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status = "canceled"
}

// gitlabJob is what the server tells the runner to do: commands beside a service, with
// a cache, and variables.
func gitlabJob(variables map[string]string, script ...string) any {
	type object = map[string]any
	list := []object{}
	for k, v := range variables {
		list = append(list, object{"key": k, "value": v, "public": true})
	}
	sha := strings.Repeat("0", 40)
	return object{
		"id": 1, "token": "token", "variables": append(list, object{"key": "GIT_STRATEGY", "value": "none", "public": true}),
		"job_info": object{"name": "test", "stage": "test", "project_id": 1, "project_name": "project"}, "runner_info": object{"timeout": 300},
		"git_info": object{"repo_url": "http://127.0.0.1/project.git", "ref": "main", "sha": sha, "before_sha": sha, "ref_type": "branch"},
		"steps":    []object{{"name": "script", "script": script, "timeout": 300, "when": "on_success"}},
		"image":    object{"name": "busybox"}, "services": []object{{"name": "served:1", "alias": "db"}},
		"cache": []object{{"key": "key", "policy": "pull-push", "paths": []string{"kept"}, "when": "on_success"}},
	}
}

// runsJob is what the runner does of a job; meanwhile is told how it goes on.
func (u *user) runsJob(runner string, job any, meanwhile func(*gitlab)) *gitlab {
	u.t.Helper()
	g := &gitlab{job: job, status: "running"}
	server := httptest.NewServer(g)
	defer server.Close()
	done := make(chan testutil.Result, 1)
	go func() {
		done <- u.finish(exec.Command(u.bin, "api", "--", runner, "run-single", "--url", server.URL, "--token", "token", "--executor", "docker", "--max-builds", "1", "--wait-timeout", "60",
			"--docker-image", "busybox", "--docker-pull-policy", "never", "--docker-helper-image", "helper:1", "--docker-volumes", "/cache", "--docker-wait-for-services-timeout", "30"))
	}()
	if meanwhile != nil {
		meanwhile(g)
	}
	if r := <-done; r.Code != 0 {
		u.t.Fatalf("the runner: %s\n%s", r.All(), g.said())
	}
	return g
}

// TestGitLabRunner runs jobs as GitLab's runner does, with its docker executor: on the
// default network, on one of the job's own, one that fails and one that is canceled.
func TestGitLabRunner(t *testing.T) {
	runner := installed(t, "gitlab-runner")
	u := newUser(t)
	u.busybox()
	helper := installed(t, "gitlab-runner-helper")
	u.write(testutil.File{Name: "helper/Dockerfile", Text: "FROM busybox\nCOPY --chmod=755 helper /usr/bin/gitlab-runner-helper\nCOPY --chmod=755 build /usr/bin/gitlab-runner-build\nRUN ln -s /bin/sh /bin/bash\n"},
		testutil.File{Name: "helper/build", Text: "#!/bin/sh\numask 0000\nexec /bin/sh\n"})
	u.served()
	if out, err := exec.Command("cp", helper, filepath.Join(u.home, "helper/helper")).CombinedOutput(); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	u.ok("build", "-q", "-t", "helper:1", filepath.Join(u.home, "helper"))
	script := []string{"wget -q -O- http://db/", "echo word of the cache is $(cat kept/f)", "mkdir -p kept", "echo $WORD > kept/f", "id -un; pwd"}
	for i, network := range []string{"false", "true"} {
		g := u.runsJob(runner, gitlabJob(map[string]string{"FF_NETWORK_PER_BUILD": network, "WORD": fmt.Sprint("number", i)}, script...), nil)
		if g.end.State != "success" {
			t.Fatalf("%+v\n%s", g.end, g.said())
		}
		testutil.Contains(t, g.said(), "served\n", "root\n", "/builds/")
		if i == 1 {
			testutil.Contains(t, g.said(), "word of the cache is number0\n")
		}
		u.nothingOfJobs()
	}
	if g := u.runsJob(runner, gitlabJob(nil, "echo it fails", "exit 3"), nil); g.end.State != "failed" || g.end.FailureReason != "script_failure" || g.end.ExitCode != 3 {
		t.Errorf("%+v\n%s", g.end, g.said())
	}
	u.nothingOfJobs()
	u.runsJob(runner, gitlabJob(nil, "echo it begins", "sleep 250"), func(g *gitlab) {
		testutil.Eventually(t, "the job runs", func() bool { return strings.Contains(g.said(), "it begins\n") })
		g.cancel()
	})
	u.nothingOfJobs()
}

// nothingOfJobs checks that containers and networks of jobs have gone; volumes stay,
// for the next one.
func (u *user) nothingOfJobs() {
	u.t.Helper()
	if left := u.ok("ps", "-aq") + u.ok("network", "ls", "-q", "--filter", "type=custom"); left != "" {
		u.t.Errorf("left: %s", u.ok("ps", "-a")+left)
	}
}
