"""Settings of password hashing and of the password policy."""

from collections.abc import Iterator

from pydantic import Field

from undercroft.core.settings import SettingsBase


class PasswordSettings(SettingsBase):
    section = "Passwords"

    password_min_length: int = Field(10, ge=8, le=128, description="Minimum number of characters of a new password.")
    password_memory_kib: int = Field(
        19 * 1024, ge=64, le=1024 * 1024, description="Memory of one Argon2id hash, in KiB."
    )
    password_time_cost: int = Field(2, ge=1, le=20, description="Passes of one Argon2id hash over that memory.")
    password_parallelism: int = Field(1, ge=1, le=16, description="Parallel lanes of one Argon2id hash.")
    password_threads: int = Field(
        0,
        ge=0,
        le=64,
        description="Passwords hashed concurrently per process; 0: one less than the number of cores.",
    )

    def production_errors(self) -> Iterator[str]:
        if self.password_memory_kib < 19 * 1024 or self.password_time_cost < 2:
            yield "PASSWORD_MEMORY_KIB and PASSWORD_TIME_COST must be at least 19456 and 2 (OWASP's minimum)."
