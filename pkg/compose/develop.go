// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/develop"
	"coracle/pkg/container"
)

// DevelopChoices are what watch says.
type DevelopChoices struct {
	Choices
	Prune bool         // images that a rebuild has replaced
	Log   func(string) // a line of what is done
	// Busy, unless nil, hears that containers of services are going to be stopped and
	// started again; what it returns is called when that is done.
	Busy func(services []string) (done func())
}

// developer does what a project's develop.watch says.
type developer struct {
	*Engine
	p     *types.Project
	c     DevelopChoices
	rules []develop.Rule
	tree  *develop.Tree
	again *rebuilds
}

// errNothingToWatch is docker compose's.
var errNothingToWatch = errors.New("none of the selected services is configured for watch, consider setting a 'develop' section")

// CanDevelop reports whether a service of the project says what is to be watched.
func CanDevelop(p *types.Project) bool {
	for _, s := range p.Services {
		if s.Develop != nil && len(s.Develop.Watch) > 0 {
			return true
		}
	}
	return false
}

// Develop watches the files of a project's services, and does where they change what
// their develop.watch says, until ctx ends. It returns once they are watched, or what
// is wrong; wait returns when all that was begun has ended.
func Develop(ctx context.Context, e *Engine, p *types.Project, c DevelopChoices) (wait func() error, err error) {
	d := &developer{Engine: e, p: p, c: c}
	if d.c.Busy == nil {
		d.c.Busy = func([]string) func() { return func() {} }
	}
	initial, err := d.prepare()
	if err != nil {
		return nil, err
	}
	var roots []string
	for _, r := range d.rules {
		if !slices.Contains(roots, r.Path) {
			roots = append(roots, r.Path)
		}
	}
	if d.tree, err = develop.NewTree(roots, func(dir string) bool {
		return !slices.ContainsFunc(d.rules, func(r develop.Rule) bool { return !r.SkipsAll(dir) })
	}); err != nil {
		return nil, err
	}
	for _, service := range slices.Sorted(keys(initial)) {
		if err := d.sync(ctx, service, initial[service]); err != nil {
			d.tree.Close()
			return nil, err
		}
	}
	c.Log("Watch enabled")
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	return func() error { return <-ended }, nil
}

// prepare reads the rules, and returns the files that are to be in containers before
// any has changed, by service.
func (d *developer) prepare() (map[string][]develop.Change, error) {
	initial := map[string][]develop.Change{}
	for _, name := range d.p.ServiceNames() {
		s := d.p.Services[name]
		rules, err := develop.Rules(s)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			if r.Action == types.WatchActionRebuild && s.Build == nil {
				return nil, fmt.Errorf("can't watch service %q with action %s without a build context", name, r.Action)
			}
			if r.Copies() && isMounted(r.Path, s.Volumes) {
				d.warn(fmt.Sprintf("path '%s' also declared by a bind mount volume, this path won't be monitored!", r.Path))
				continue
			}
			d.rules = append(d.rules, r)
			if !r.InitialSync || !r.Copies() || r.Action == types.WatchActionSyncExec {
				continue
			}
			file := ""
			if s.Build != nil {
				file = s.Build.Dockerfile
			}
			list, err := r.Initial(file)
			if err != nil {
				return nil, fmt.Errorf("service %q: initial_sync: %w", name, err)
			}
			initial[name] = append(initial[name], list...)
		}
	}
	if len(d.rules) == 0 {
		return nil, errNothingToWatch
	}
	return initial, nil
}

// isMounted reports whether a path is in containers already.
func isMounted(path string, volumes []types.ServiceVolumeConfig) bool {
	return slices.ContainsFunc(volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Type == types.VolumeTypeBind && develop.Within(filepath.Clean(v.Source), path)
	})
}

func (d *developer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	d.again = newRebuilds(ctx, d.rebuild)
	defer d.again.wait()
	defer cancel()
	paths := make(chan string, 256)
	lost := make(chan error, 1)
	go func() {
		lost <- d.tree.Run(ctx, func(path string) {
			select {
			case paths <- path:
			case <-ctx.Done():
			}
		})
	}()
	for batches := develop.Batch(ctx, paths, develop.Quiet, develop.Longest); ; {
		select {
		case err := <-lost:
			if err != nil {
				d.c.Log("Watch disabled with errors: " + err.Error())
				return err
			}
			d.c.Log("Watch disabled")
			return nil
		case batch, ok := <-batches:
			if !ok {
				batches = nil // the other is about to say why
				continue
			}
			if len(batch) > 1000 {
				d.c.Log("Large batch of file changes detected. If you just switched branches, this is expected.")
			}
			if err := d.batch(ctx, batch); err != nil && ctx.Err() == nil {
				d.warn(fmt.Sprintf("Error handling changed files: %v", err))
			}
		}
	}
}

// work is what is to be done for files that have changed together.
type work struct {
	rebuild, restart map[string]bool
	sync             map[string][]develop.Change
	exec             map[string][]types.ServiceHook
}

func (d *developer) work(batch []string) work {
	w := work{map[string]bool{}, map[string]bool{}, map[string][]develop.Change{}, map[string][]types.ServiceHook{}}
	for _, r := range d.rules {
		hit := false
		for _, path := range batch {
			if !r.Matches(path) || path == r.Path && isDir(path) {
				continue
			}
			hit = true
			if r.Copies() {
				w.sync[r.Service] = append(w.sync[r.Service], develop.Change{Path: path, Target: r.Target(path)})
			}
		}
		switch {
		case !hit:
		case r.Action == types.WatchActionRebuild:
			w.rebuild[r.Service] = true
		case r.Action == types.WatchActionRestart, r.Action == types.WatchActionSyncRestart:
			w.restart[r.Service] = true
		case r.Action == types.WatchActionSyncExec:
			w.exec[r.Service] = append(w.exec[r.Service], r.Exec)
		}
	}
	return w
}

func (d *developer) batch(ctx context.Context, batch []string) error {
	w := d.work(batch)
	d.again.ask(slices.Sorted(keys(w.rebuild))...)
	// A rebuild makes the container anew, of files as they are when it begins: it
	// restarts, too. One that has begun before is begun again.
	maps.DeleteFunc(w.restart, func(service string, _ bool) bool {
		if d.again.running(service) {
			d.again.ask(service)
			return true
		}
		return d.again.asked(service)
	})
	var bad []error
	for _, service := range slices.Sorted(keys(w.sync)) {
		d.c.Log(fmt.Sprintf("Syncing service %q after %d changes were detected", service, len(w.sync[service])))
		bad = append(bad, d.sync(ctx, service, w.sync[service]))
	}
	if list := slices.Sorted(keys(w.restart)); len(list) > 0 && errors.Join(bad...) == nil {
		done := d.c.Busy(list)
		err := Restart(ctx, d.Engine, d.p, list, RestartChoices{})
		done()
		if err == nil {
			d.c.Log(fmt.Sprintf("service(s) %q restarted", list))
		}
		bad = append(bad, err)
	}
	if errors.Join(bad...) == nil {
		for _, service := range slices.Sorted(keys(w.exec)) {
			for _, h := range w.exec[service] {
				bad = append(bad, d.execute(ctx, service, h))
			}
		}
	}
	return errors.Join(bad...)
}

// isDir reports whether a path is that of a directory. That a root's own changes says
// nothing of what is in it.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// execute runs a command in all containers of a service that run, and tells what it says.
func (d *developer) execute(ctx context.Context, service string, h types.ServiceHook) error {
	has, err := d.Observe(d.p.Name)
	if err != nil {
		return err
	}
	return each(ctx, running(has.Services[service]), func(ctx context.Context, c *container.Container) error {
		var said tail
		code, err := runHook(ctx, d.Engine, c, h, &said)
		for line := range strings.Lines(said.b.String()) {
			d.c.Log(strings.TrimSuffix(line, "\n"))
		}
		if err == nil && code != 0 {
			err = fmt.Errorf("%s: exec exited with status %d", c.Name, code)
		}
		return err
	})
}
