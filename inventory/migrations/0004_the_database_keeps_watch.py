"""What the database itself sees to: the ledger's permissions, marks of change, history of settings,
and the capacity of a day."""

from django.db import migrations

# The owner may give these rights back to itself; that and a superuser's edit are what the seal is
# for. Tests get TRUNCATE back, to empty their database.
PERMISSION = """
REVOKE UPDATE, DELETE, TRUNCATE ON inventory_stockmovement, inventory_ledgerseal,
       inventory_settinghistory FROM PUBLIC, CURRENT_USER;
CREATE TRIGGER seal_is_append_only BEFORE UPDATE OR DELETE ON inventory_ledgerseal
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_ledger_is_append_only();
"""
NO_PERMISSION = """
DROP TRIGGER seal_is_append_only ON inventory_ledgerseal;
GRANT UPDATE, DELETE, TRUNCATE ON inventory_stockmovement, inventory_ledgerseal,
      inventory_settinghistory TO CURRENT_USER;
"""

# A mark per product whose availability may have changed; orders/publishing.py takes them away.
MARKS = """
CREATE FUNCTION inventory_mark_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_stockchange (product_id) SELECT DISTINCT product_id FROM changed;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_new_stock AFTER INSERT ON inventory_stock REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_mark_stock();
CREATE TRIGGER mark_stock AFTER UPDATE ON inventory_stock REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_mark_stock();

CREATE FUNCTION inventory_mark_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'inventory_location' THEN
        INSERT INTO inventory_stockchange (product_id)
        SELECT product_id FROM inventory_stock WHERE location_id = NEW.id;
    ELSE
        INSERT INTO inventory_stockchange (product_id)
        SELECT product_id FROM inventory_stock
         WHERE location_id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.location_id END,
                               CASE WHEN TG_OP <> 'DELETE' THEN NEW.location_id END);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_place AFTER UPDATE ON inventory_location FOR EACH ROW
    WHEN ((OLD.active, OLD.online) IS DISTINCT FROM (NEW.active, NEW.online))
    EXECUTE FUNCTION inventory_mark_place();
CREATE TRIGGER mark_place AFTER INSERT OR UPDATE OR DELETE ON inventory_poollocation
    FOR EACH ROW EXECUTE FUNCTION inventory_mark_place();

CREATE FUNCTION inventory_mark_product() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_stockchange (product_id)
    VALUES (CASE WHEN TG_TABLE_NAME = 'inventory_product' THEN (to_jsonb(NEW) ->> 'id')::bigint
                 WHEN TG_OP = 'DELETE' THEN (to_jsonb(OLD) ->> 'product_id')::bigint
                 ELSE (to_jsonb(NEW) ->> 'product_id')::bigint END);
    RETURN NULL;
END $$;
CREATE TRIGGER mark_product AFTER UPDATE ON inventory_product FOR EACH ROW
    WHEN (OLD.active IS DISTINCT FROM NEW.active) EXECUTE FUNCTION inventory_mark_product();
CREATE TRIGGER mark_product AFTER INSERT OR UPDATE OR DELETE ON inventory_poolthreshold
    FOR EACH ROW EXECUTE FUNCTION inventory_mark_product();
"""
NO_MARKS = """
DROP TRIGGER mark_new_stock ON inventory_stock;
DROP TRIGGER mark_stock ON inventory_stock;
DROP TRIGGER mark_place ON inventory_location;
DROP TRIGGER mark_place ON inventory_poollocation;
DROP TRIGGER mark_product ON inventory_product;
DROP TRIGGER mark_product ON inventory_poolthreshold;
DROP FUNCTION inventory_mark_stock();
DROP FUNCTION inventory_mark_place();
DROP FUNCTION inventory_mark_product();
"""

# What a setting was before this migration, nobody knows any more: as it is now.
HISTORY = """
CREATE FUNCTION inventory_keep_setting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_settinghistory ("table", row_id, at, data)
    SELECT TG_TABLE_NAME, CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END,
           clock_timestamp(), CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_new AFTER INSERT OR DELETE ON inventory_location FOR EACH ROW
    EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_changed AFTER UPDATE ON inventory_location FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_new AFTER INSERT OR DELETE ON inventory_poollocation FOR EACH ROW
    EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_changed AFTER UPDATE ON inventory_poollocation FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_new AFTER INSERT OR DELETE ON inventory_poolthreshold FOR EACH ROW
    EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_changed AFTER UPDATE ON inventory_poolthreshold FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION inventory_keep_setting();
INSERT INTO inventory_settinghistory ("table", row_id, at, data)
SELECT 'inventory_location', id, 'epoch'::timestamptz, to_jsonb(l) FROM inventory_location l
 UNION ALL SELECT 'inventory_poollocation', id, 'epoch'::timestamptz, to_jsonb(m) FROM inventory_poollocation m;
"""
NO_HISTORY = """
DROP TRIGGER keep_new ON inventory_location;
DROP TRIGGER keep_changed ON inventory_location;
DROP TRIGGER keep_new ON inventory_poollocation;
DROP TRIGGER keep_changed ON inventory_poollocation;
DROP TRIGGER keep_new ON inventory_poolthreshold;
DROP TRIGGER keep_changed ON inventory_poolthreshold;
DROP FUNCTION inventory_keep_setting();
"""

# The most exact row counts: weekday and method, then weekday, then method, then neither, then the
# stock point's own figure, which counts parcels and so says nothing of pick-ups.
CAPACITY = """
CREATE FUNCTION inventory_capacity_of(place bigint, day date, method text,
                                      OUT orders integer, OUT units integer)
LANGUAGE sql STABLE AS $$
    SELECT c.orders, c.units FROM (
        SELECT c.orders, c.units,
               2 * (c.weekday IS NOT NULL)::int + (c.delivery <> '')::int AS exact
          FROM inventory_capacity c
         WHERE c.location_id = place AND c.delivery IN ('', method)
           AND (c.weekday IS NULL OR c.weekday = extract(isodow FROM day) - 1)
         UNION ALL
        SELECT CASE WHEN method = 'ship' THEN l.capacity_per_day END, NULL, -1
          FROM inventory_location l WHERE l.id = place) AS c
     ORDER BY exact DESC LIMIT 1
$$;
"""
NO_CAPACITY = "DROP FUNCTION inventory_capacity_of(bigint, date, text);"


class Migration(migrations.Migration):
    dependencies = [("inventory", "0003_one_view_of_stock")]
    operations = [
        migrations.RunSQL(PERMISSION, NO_PERMISSION),
        migrations.RunSQL(MARKS, NO_MARKS),
        migrations.RunSQL(HISTORY, NO_HISTORY),
        migrations.RunSQL(CAPACITY, NO_CAPACITY),
    ]
