// SPDX-License-Identifier: Apache-2.0

package quadlet

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"coracle/pkg/systemd"
)

func (c *conversion) volume() error {
	c.args = append(c.args, "volume", "create")
	if err := c.flags(); err != nil {
		return err
	}
	if err := c.volumeOptions(); err != nil {
		return err
	}
	if copies, err := c.yes("Copy", true); err != nil || !copies {
		return errors.Join(err, errors.New("Copy=no: say it where the volume is mounted (Volume=x.volume:/y:nocopy)"))
	}
	if err := c.podmanArgs(); err != nil {
		return err
	}
	c.args = append(c.args, resource(c.Source, "VolumeName"))
	c.oneshot(true)
	return nil
}

// volumeOptions are those of a volume that is somewhere else.
func (c *conversion) volumeOptions() error {
	device, kind, options := c.from.Last("Device"), c.from.Last("Type"), c.from.Last("Options")
	for _, k := range []struct{ key, option string }{{"User", "uid"}, {"Group", "gid"}} {
		id := c.from.Last(k.key)
		switch {
		case id == "":
		case kind != "tmpfs":
			return fmt.Errorf("%s=%s: a volume is the image's user's from its first use on", k.key, id)
		case options == "":
			options = k.option + "=" + id
		default:
			options += "," + k.option + "=" + id
		}
	}
	if device == "" {
		for _, key := range []string{"Type", "Options"} {
			if c.from.Last(key) != "" {
				return fmt.Errorf("key %s can't be used without Device", key)
			}
		}
		return nil
	}
	c.args = append(c.args, "--opt", "device="+device)
	if kind == "bind" {
		c.unit.Section("Unit").Add("RequiresMountsFor", device)
		// type bind is podman's word for what mount(8) calls the option bind.
		kind = "none"
		options = strings.TrimPrefix(options+",bind", ",")
	}
	if kind != "" {
		c.args = append(c.args, "--opt", "type="+kind)
	}
	if options != "" {
		c.args = append(c.args, "--opt", "o="+options)
	}
	return nil
}

func (c *conversion) network() error {
	c.args = append(c.args, "network", "create", "--ignore")
	if err := c.flags(); err != nil {
		return err
	}
	if off, err := c.yes("DisableDNS", false); err != nil || off {
		return errors.Join(err, errors.New("DisableDNS: containers of a network always find each other by name"))
	}
	switch d := c.from.Last("IPAMDriver"); d {
	case "", "host-local", "default":
	default:
		return fmt.Errorf("IPAMDriver=%s: addresses are given by coracle", d)
	}
	subnets, gateways, ranges := c.from.All("Subnet"), c.from.All("Gateway"), c.from.All("IPRange")
	switch {
	case len(subnets) == 0 && len(gateways)+len(ranges) > 0:
		return errors.New("cannot set gateway or range without subnet")
	case len(gateways) > len(subnets):
		return errors.New("cannot set more gateways than subnets")
	case len(ranges) > len(subnets):
		return errors.New("cannot set more ranges than subnets")
	}
	for _, p := range []struct {
		flag   string
		values []string
	}{{"--subnet", subnets}, {"--gateway", gateways}, {"--ip-range", ranges}} {
		for _, v := range p.values {
			c.args = append(c.args, p.flag, v)
		}
	}
	if err := c.podmanArgs(); err != nil {
		return err
	}
	name := resource(c.Source, "NetworkName")
	c.args = append(c.args, name)
	remove, err := c.yes("NetworkDeleteOnStop", false)
	if remove {
		c.service.Add("ExecStopPost", systemd.Quote(append(slices.Clone(c.o.Program), "network", "rm", name)...))
	}
	c.oneshot(true)
	return err
}

func (c *conversion) image() error {
	if c.from.Last("Image") == "" {
		return errors.New("no Image key specified")
	}
	switch p := c.from.Last("Policy"); p {
	case "", "always", "newer":
	default:
		return fmt.Errorf("Policy=%s: what an .image file names is pulled; Pull= of the container says when else", p)
	}
	c.args = append(c.args, "pull")
	for _, step := range []func() error{c.flags, c.platform, c.registry, c.podmanArgs} {
		if err := step(); err != nil {
			return err
		}
	}
	c.args = append(c.args, c.from.Last("Image"))
	c.oneshot(true)
	return nil
}

func (c *conversion) build() error {
	if len(c.from.All("ImageTag")) == 0 {
		return errors.New("no ImageTag key specified")
	}
	c.args = append(c.args, "build")
	for _, step := range []func() error{c.flags, c.platform, c.registry, c.buildPull, c.buildNetwork, c.podmanArgs} {
		if err := step(); err != nil {
			return err
		}
	}
	context, file, err := c.context()
	if err != nil {
		return err
	}
	if file != "" {
		c.args = append(c.args, "--file", file)
	}
	c.args = append(c.args, context)
	c.oneshot(false)
	return nil
}

// context is a build's directory, and the Containerfile when it is named.
func (c *conversion) context() (dir, file string, err error) {
	file = c.from.Last("File")
	dir = c.from.Last("SetWorkingDirectory")
	switch strings.ToLower(dir) {
	case "":
		dir = c.service.Last("WorkingDirectory")
	case "unit":
		dir = filepath.Dir(c.Path)
	case "file":
		if file == "" {
			return "", "", errors.New("SetWorkingDirectory=file without File")
		}
		file = c.absolute(file)
		dir = filepath.Dir(file)
	default:
		if !strings.Contains(dir, "://") {
			dir = c.absolute(dir)
		}
	}
	switch {
	case dir == "" && file == "":
		return "", "", errors.New("neither SetWorkingDirectory, nor File key specified")
	case dir == "" && !filepath.IsAbs(file) && !strings.HasPrefix(file, "%"):
		return "", "", errors.New("relative path in File key requires SetWorkingDirectory key to be set")
	case dir == "":
		dir = filepath.Dir(file)
	case file != "" && !filepath.IsAbs(file) && !strings.HasPrefix(file, "%") && !strings.Contains(dir, "://"):
		file = filepath.Join(dir, file)
	}
	return dir, file, nil
}

func (c *conversion) buildPull() error {
	switch p := c.from.Last("Pull"); p {
	case "", "missing":
	case "always", "newer", "true":
		c.args = append(c.args, "--pull")
	default:
		return fmt.Errorf("Pull=%s: a build pulls what is missing, or always", p)
	}
	return nil
}

func (c *conversion) buildNetwork() error {
	n := c.from.Last("Network")
	if strings.HasSuffix(n, ".network") {
		return fmt.Errorf("Network=%s: a build has the default network, none, or the host's", n)
	}
	if n != "" {
		c.args = append(c.args, "--network", n)
	}
	return nil
}

// platform is Docker's one word for three keys.
func (c *conversion) platform() error {
	system, arch, variant := c.from.Last("OS"), c.from.Last("Arch"), c.from.Last("Variant")
	switch {
	case system == "" && arch == "" && variant == "":
		return nil
	case arch == "":
		return errors.New("OS and Variant need Arch")
	case system == "":
		system = "linux"
	}
	p := system + "/" + arch
	if variant != "" {
		p += "/" + variant
	}
	c.args = append(c.args, "--platform", p)
	return nil
}

// registry is how registries are spoken to.
func (c *conversion) registry() error {
	if f := c.from.Last("AuthFile"); f != "" {
		c.service.Add("Environment", systemd.Quote("REGISTRY_AUTH_FILE="+c.absolute(f)))
	}
	verify, err := c.yes("TLSVerify", true)
	if err == nil && !verify {
		err = errors.New("TLSVerify=false: " + whyTLS)
	}
	return err
}
