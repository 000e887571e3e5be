#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Lists the tree below the working directory, one entry a line, sorted by name:
# path, type and mode, size, and the SHA-256 of a file or the target of a link.
# It never follows a link, and it reads names and targets as bytes.
use strict;
use warnings;
use Digest::SHA;
use Fcntl ':mode';

my @todo = ('.');
my @lines;

sub plain {
	my ($s) = @_;
	$s =~ s/([^\x21-\x5b\x5d-\x7e])/sprintf '\\%03o', ord $1/ge;
	return $s;
}

while (defined(my $dir = pop @todo)) {
	opendir my $handle, $dir or die "read '$dir': $!\n";
	for my $name (readdir $handle) {
		next if $name eq '.' || $name eq '..';
		my $path = "$dir/$name";
		my ($mode, $size) = (lstat $path)[2, 7];
		die "look at '$path': $!\n" unless defined $mode;
		my $what = '-';
		if (S_ISLNK($mode)) {
			$what = plain(readlink $path);
		} elsif (S_ISDIR($mode)) {
			push @todo, $path;
			$size = 0;
		} elsif (S_ISREG($mode)) {
			$what = Digest::SHA->new(256)->addfile($path, 'b')->hexdigest;
		} else {
			$size = 0;
		}
		push @lines, sprintf "%s\t%o\t%d\t%s\n", plain(substr $path, 2), $mode, $size, $what;
	}
	closedir $handle;
}
print sort @lines;
