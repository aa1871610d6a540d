/**
 * What `sealpost-sendmail --help` says.
 */
export const HELP = `Usage: sealpost-sendmail [OPTION]... [--] [RECIPIENT]...

Reads a message from standard input and hands it to the relay that \`sealpost serve\` runs on this machine. It returns
when the upstream has accepted or refused the message; nothing is kept here.

-t            take the recipients of To, Cc and Bcc too (of Resent-To, Resent-Cc and Resent-Bcc where there are any)
-i, -oi       a line with nothing but a dot does not end the message
-f, -r ADDR   the envelope sender; '' or <> for none; by default the login name at the name of this machine
-F NAME       the full name for the From field of a message that has none
-v            show the dialog with the relay
-N LIST       delivery notifications: never, or a list of success, failure and delay
-R full|hdrs  what a notification returns of the message
-V ID         what a notification calls the message
-bs           speak SMTP on standard input and output
-bp, -q       list the queue, or run it: there is none
-bi           do nothing: there are no aliases
Other options of sendmail are accepted and ignored: -B -C -G -h -L -m -n -O -o... -p -U -X and their like.

Where the relay is: the first entry of SEALPOST_LISTEN that can be reached on loopback; 127.0.0.1:2525 when the variable
is not set. SEALPOST_HOSTNAME is the name of this machine. (Debian's cron gives the variables of a crontab to the job
only; for its mail set them where cron is started, such as /etc/default/cron.) Other machines cannot be named: between
this program and the relay mail goes in clear text.

Bcc, Resent-Bcc and Return-Path fields are removed. Date and Message-ID are completed by the relay.

A recipient who is refused does not keep the message from the others: the refusal is told on standard error, and the
exit code is that of the refusal.

Exit codes: 0 all recipients accepted; 64 usage; 65 bad header or refused content; 67 unknown recipient; 69 refused;
70 mistake in this program; 74 input cannot be read; 75 try again later, or the relay is not running;
77 not permitted; 78 wrong SEALPOST_ variable.
`;
