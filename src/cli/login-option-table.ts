import {
  type OptionTable,
  type HelpFlags,
  type TrustFlags,
  type AuthFlags,
  HELP,
  AUTH_FILE,
  TRUST,
} from './option-table.ts'

export interface LoginFlags extends HelpFlags, TrustFlags {
  readonly username: string | undefined
  readonly password: string | undefined
  readonly 'password-stdin': boolean
}

export interface LogoutFlags extends HelpFlags, AuthFlags {
  readonly all: boolean
}

export const LOGIN_OPTIONS: OptionTable<LoginFlags> = {
  username: {
    alias: 'u',
    type: 'text',
    value: 'NAME',
    group: 'Login',
    description: 'User name.',
    default: 'asks at the terminal',
  },
  password: {
    alias: 'p',
    type: 'text',
    value: 'PASSWORD',
    group: 'Login',
    description:
      'Password or access token; other users of the machine can see it, so rather use --password-stdin.',
    default: 'asks at the terminal',
  },
  'password-stdin': {
    type: 'flag',
    group: 'Login',
    description: 'Read the password from standard input.',
  },
  ...TRUST,
  ...HELP,
}

export const LOGOUT_OPTIONS: OptionTable<LogoutFlags> = {
  all: {
    alias: 'a',
    type: 'flag',
    group: 'Login',
    description: 'Remove the passwords for all registries.',
  },
  ...AUTH_FILE,
  ...HELP,
}
