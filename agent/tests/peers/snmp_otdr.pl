#!/usr/bin/perl
# An OTDR behind net-snmp's snmpd, by its pass_persist protocol: the objects of silkline-otdr-snmp.
#
#   snmp_otdr.pl FILE [FLAW]   hands FILE out in rows of 500 bytes, a second after each start
#
# FLAW: "short" ends the table too early, "damaged" turns one bit of it round.
use strict;
use warnings;

$| = 1;
my $base = '.1.3.6.1.4.1.32473.14';
my $size = 500;
my ($path, $flaw) = (@ARGV, '');
open(my $file, '<:raw', $path) or die "$path: $!";
my $trace = do { local $/; <$file> };
my ($state, $number, $since) = (0, 41, 0);
my %written;

sub crc32 {
    my $crc = 0xFFFFFFFF;
    for my $byte (unpack 'C*', shift) {
        $crc ^= $byte;
        $crc = $crc & 1 ? ($crc >> 1) ^ 0xEDB88320 : $crc >> 1 for 1 .. 8;
    }
    return $crc ^ 0xFFFFFFFF;
}

my $crc = crc32($trace);
substr($trace, length($trace) / 2, 1) ^= "\x04" if $flaw eq 'damaged';
my $bytes = length $trace;
$trace = substr $trace, 0, $size * int($bytes / $size / 2) if $flaw eq 'short';

sub look {
    if ($state == 1 && time - $since >= 2) {
        ($state, $number) = (2, $number + 1);
    }
}

sub value {
    my $oid = shift;
    return ('integer', $state) if $oid eq "$base.1.0";
    return ('counter', $number) if $oid eq "$base.2.0";
    return ('gauge', $bytes) if $oid eq "$base.3.0";
    return ('gauge', $crc) if $oid eq "$base.4.0";
    return ('integer', 312) if $oid eq "$base.5.0";
    # snmpd lets only that be set which can be read.
    return ('gauge', $written{$oid} // 0) if $oid =~ /^\Q$base\E\.10\.[1-3]\.0$/;
    return ('integer', $written{$oid} // 0) if $oid eq "$base.10.4.0";
    if ($oid =~ /^\Q$base\E\.20\.1\.2\.(\d+)$/ && $1 > 0) {
        my $row = substr($trace, ($1 - 1) * $size, $size) // '';
        return ('octet', join ' ', map { sprintf '%02X', $_ } unpack 'C*', $row) if length $row;
    }
    return;
}

while (defined(my $command = <STDIN>)) {
    chomp $command;
    # snmpd ends what is set with a line too many.
    next if $command eq '';
    look();
    if ($command eq 'PING') {
        print "PONG\n";
    } elsif ($command eq 'get' || $command eq 'getnext') {
        chomp(my $oid = <STDIN>);
        my ($type, $value) = $command eq 'get' ? value($oid) : ();
        print defined $type ? "$oid\n$type\n$value\n" : "NONE\n";
    } elsif ($command eq 'set') {
        chomp(my $oid = <STDIN>);
        chomp(my $given = <STDIN>);
        my ($value) = $given =~ /(\d+)\s*$/;
        if ($oid !~ /^\Q$base\E\.10\.[1-4]\.0$/) {
            print "not-writable\n";
        } elsif ($oid eq "$base.10.4.0" && $value == 1 && $state == 1) {
            print "inconsistent-value\n";
        } else {
            $written{$oid} = $value;
            ($state, $since) = (1, time) if $oid eq "$base.10.4.0" && $value == 1;
            ($state) = (0) if $oid eq "$base.10.4.0" && $value == 2;
            print "DONE\n";
        }
    } else {
        print "NONE\n";
    }
}
