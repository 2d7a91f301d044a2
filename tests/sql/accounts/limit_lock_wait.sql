SET LOCAL lock_timeout TO '5s'
