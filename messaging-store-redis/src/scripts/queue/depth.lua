-- How many messages of a session there are. ARGV after the head: the session.

load({ ARGV[2] })
return call('ZCARD', LINE .. ARGV[2]) + call('ZCARD', OPENING .. ARGV[2])
  + (sessions[ARGV[2]].out ~= '' and 1 or 0)
