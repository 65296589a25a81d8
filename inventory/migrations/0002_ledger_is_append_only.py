from django.db import migrations

FORWARD = """
CREATE FUNCTION inventory_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the stock ledger is append-only: % refused', TG_OP;
END $$;
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON inventory_stockmovement
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_ledger_is_append_only();
"""
BACKWARD = """
DROP TRIGGER ledger_is_append_only ON inventory_stockmovement;
DROP FUNCTION inventory_ledger_is_append_only();
"""


class Migration(migrations.Migration):
    """TRUNCATE is left to the owner of the table: tests empty their database with it."""

    dependencies = [("inventory", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
