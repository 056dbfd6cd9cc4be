# SPDX-License-Identifier: Apache-2.0
# customize.sh ROOT DIR: makes a machine's disk of a root file system; see image.sh.
set -e
root=$1 work=$2
echo machine >"$root/etc/hostname"
printf '127.0.0.1 localhost machine\n::1 localhost\n' >"$root/etc/hosts"
printf '/dev/vda / ext4 rw 0 1\n' >"$root/etc/fstab"
for u in full solo; do chroot "$root" useradd --create-home --shell /bin/bash $u; done
sed -i /^solo:/d "$root/etc/subuid" "$root/etc/subgid"
chroot "$root" passwd --quiet --delete root
cat >"$root/etc/docker/registry/config.yml" <<'EOF_REGISTRY'
version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/docker-registry
http:
  addr: localhost:5000
EOF_REGISTRY
# See run: the tests of a boot, after everything else.
cat >"$root/etc/systemd/system/machine.service" <<'EOF_UNIT'
[Unit]
Description=Tests
ConditionPathExists=/dev/vdb
After=multi-user.target docker-registry.service cron.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'mkdir -p /kit && mount -o ro /dev/vdb /kit && exec sh /kit/run'
StandardOutput=file:/dev/ttyS1
StandardError=inherit
TimeoutStartSec=infinity

[Install]
WantedBy=graphical.target
EOF_UNIT
chroot "$root" systemctl --quiet enable machine.service
chroot "$root" systemctl --quiet mask e2scrub_reap.service e2scrub_all.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer getty@tty1.service
mv "$root"/boot/vmlinuz-* "$work/vmlinuz"
mv "$root"/boot/initrd.img-* "$work/initrd"
mount --bind "$root" "$root/mnt" # without what is mounted in it
truncate -s 4G "$work/disk"
mke2fs -q -t ext4 -d "$root/mnt" -F "$work/disk"
umount "$root/mnt"
chmod 644 "$work/disk" "$work/vmlinuz" "$work/initrd"
